//! Family links: HL7 RoleCode (TRE_R216, `v3-RoleCode`) and CL-role.

/// OID of HL7 RoleCode, of which TRE_R216 is the French subset.
pub(crate) const ROLE_CODE: &str = "2.16.840.1.113883.5.111";

/// The role that a link to the child means; nothing for a link that names no role of ours.
pub(crate) fn role(code: &str) -> Option<&'static str> {
    Some(match code {
        "MTH" | "NMTH" | "GESTM" | "ADOPTM" => "mere",
        "FTH" | "NFTH" | "ADOPTF" => "pere",
        "PRN" | "NPRN" | "ADOPTP" => "autre-parent",
        "STPMTH" | "STPFTH" | "STPPRN" => "beau-parent",
        "GRPRN" | "GRMTH" | "GRFTH" | "MGRMTH" | "MGRFTH" | "PGRMTH" | "PGRFTH" | "GGRPRN" | "GGRMTH" | "GGRFTH" => "grand-parent",
        "SIB" | "BRO" | "SIS" | "NSIB" | "NBRO" | "NSIS" | "HSIB" | "HBRO" | "HSIS" | "TWIN" | "TWINBRO" | "TWINSIS" => "fratrie",
        "STPSIB" | "STPBRO" | "STPSIS" => "autre-mineur-du-foyer",
        "AUNT" | "MAUNT" | "PAUNT" | "UNCLE" | "MUNCLE" | "PUNCLE" | "COUSN" | "MCOUSN" | "PCOUSN" | "EXT" | "FAMMEMB" => "autre-famille",
        "GRD" | "GUARD" | "WRD" => "tuteur",
        "PRNFOST" | "MTHFOST" | "FTHFOST" => "assistant-familial",
        _ => return None,
    })
}

/// The link that says a role best; nothing where HL7 has none.
pub(crate) fn code(role: &str) -> Option<(&'static str, &'static str)> {
    Some(match role {
        "mere" => ("MTH", "Mère"),
        "pere" => ("FTH", "Père"),
        "autre-parent" => ("PRN", "Parent"),
        "beau-parent" => ("STPPRN", "Beau-parent"),
        "grand-parent" => ("GRPRN", "Grand-parent"),
        "fratrie" => ("SIB", "Frère ou sœur"),
        "autre-famille" => ("EXT", "Famille élargie"),
        "tuteur" => ("GUARD", "Tuteur"),
        "assistant-familial" => ("PRNFOST", "Parent d’accueil"),
        _ => return None,
    })
}
