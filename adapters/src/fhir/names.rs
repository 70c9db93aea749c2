//! The names that FHIR R4 defines: only these may stand in a finding, since one that a sender invented may itself name a child.

use std::{collections::HashSet, sync::LazyLock};

/// Whether R4 has a resource of this name.
pub(super) fn is_resource(name: &str) -> bool {
    static NAMES: LazyLock<HashSet<&str>> = LazyLock::new(|| RESOURCES.split(' ').collect());
    NAMES.contains(name)
}

/// Whether an element has this name in a resource or data type that this room reads.
pub(super) fn is_element(name: &str) -> bool {
    static NAMES: LazyLock<HashSet<&str>> = LazyLock::new(|| ELEMENTS.split(' ').collect());
    NAMES.contains(name)
}

/// Resources of FHIR R4 (4.0.1).
const RESOURCES: &str = "Account ActivityDefinition AdverseEvent AllergyIntolerance Appointment AppointmentResponse AuditEvent Basic Binary \
     BiologicallyDerivedProduct BodyStructure Bundle CapabilityStatement CarePlan CareTeam CatalogEntry ChargeItem \
     ChargeItemDefinition Claim ClaimResponse ClinicalImpression CodeSystem Communication CommunicationRequest CompartmentDefinition \
     Composition ConceptMap Condition Consent Contract Coverage CoverageEligibilityRequest CoverageEligibilityResponse DetectedIssue \
     Device DeviceDefinition DeviceMetric DeviceRequest DeviceUseStatement DiagnosticReport DocumentManifest DocumentReference \
     EffectEvidenceSynthesis Encounter Endpoint EnrollmentRequest EnrollmentResponse EpisodeOfCare EventDefinition Evidence \
     EvidenceVariable ExampleScenario ExplanationOfBenefit FamilyMemberHistory Flag Goal GraphDefinition Group GuidanceResponse \
     HealthcareService ImagingStudy Immunization ImmunizationEvaluation ImmunizationRecommendation ImplementationGuide InsurancePlan \
     Invoice Library Linkage List Location Measure MeasureReport Media Medication MedicationAdministration MedicationDispense \
     MedicationKnowledge MedicationRequest MedicationStatement MedicinalProduct MedicinalProductAuthorization \
     MedicinalProductContraindication MedicinalProductIndication MedicinalProductIngredient MedicinalProductInteraction \
     MedicinalProductManufactured MedicinalProductPackaged MedicinalProductPharmaceutical MedicinalProductUndesirableEffect \
     MessageDefinition MessageHeader MolecularSequence NamingSystem NutritionOrder Observation ObservationDefinition \
     OperationDefinition OperationOutcome Organization OrganizationAffiliation Parameters Patient PaymentNotice PaymentReconciliation \
     Person PlanDefinition Practitioner PractitionerRole Procedure Provenance Questionnaire QuestionnaireResponse RelatedPerson \
     RequestGroup ResearchDefinition ResearchElementDefinition ResearchStudy ResearchSubject RiskAssessment RiskEvidenceSynthesis \
     Schedule SearchParameter ServiceRequest Slot Specimen SpecimenDefinition StructureDefinition StructureMap Subscription Substance \
     SubstanceNucleicAcid SubstancePolymer SubstanceProtein SubstanceReferenceInformation SubstanceSourceMaterial \
     SubstanceSpecification SupplyDelivery SupplyRequest Task TerminologyCapabilities TestReport TestScript ValueSet \
     VerificationResult VisionPrescription";

/// Elements of the resources that this room reads and of their data types.
const ELEMENTS: &str = "about active address alias allDay answer assigner attachment attester authenticator author authorReference authorString authored \
     authoredOn availabilityExceptions availableEndTime availableStartTime availableTime basedOn birthDate boundsDuration \
     boundsPeriod boundsRange businessStatus category city code coding communication comparator confidentiality contact contained \
     content contentAttachment contentReference contentString contentType context count countMax country creation custodian data date \
     dayOfWeek daysOfWeek deceasedBoolean deceasedDateTime definition description destination detail details display district div \
     docStatus duration durationMax durationUnit during emptyReason encounter end endpoint enterer entry etag event eventCoding \
     eventUri executionPeriod extension facilityType family focus for format frequency frequencyMax fullUrl gender \
     generalPractitioner given groupIdentifier hash healthcareService id identifier ifMatch ifModifiedSince ifNoneExist ifNoneMatch \
     implicitRules inResponseTo input instantiatesCanonical instantiatesUri insurance intent issuer item language lastModified \
     lastUpdated line link linkId location managingOrganization maritalStatus masterIdentifier medium meta method mode \
     modifierExtension multipleBirthBoolean multipleBirthInteger name notAvailable note offset onBehalfOf orderedBy organization \
     other outcome output owner partOf party patient payload performerType period periodMax periodUnit photo postalCode \
     practiceSetting practitioner preferred prefix priority profile purpose qualification questionnaire rank reason reasonCode \
     reasonReference received receiver recipient reference related relatesTo relation relationship relevantHistory repeat repetitions \
     request requester resource resourceType response responsible restriction score search section security securityContext \
     securityLabel sender sent sigFormat signature size software source sourcePatientInfo specialty start state status statusReason \
     subject suffix system tag target targetFormat targetIdentifier targetReference telecom text time timeOfDay timestamp title topic \
     total type unit url use userSelected value valueAddress valueAge valueAnnotation valueAttachment valueBase64Binary valueBoolean \
     valueCanonical valueCode valueCodeableConcept valueCoding valueContactDetail valueContactPoint valueContributor valueCount \
     valueDataRequirement valueDate valueDateTime valueDecimal valueDistance valueDosage valueDuration valueExpression valueHumanName \
     valueId valueIdentifier valueInstant valueInteger valueMarkdown valueMeta valueMoney valueOid valueParameterDefinition \
     valuePeriod valuePositiveInt valueQuantity valueRange valueRatio valueReference valueRelatedArtifact valueSampledData \
     valueSignature valueString valueTime valueTiming valueTriggerDefinition valueUnsignedInt valueUri valueUrl valueUsageContext \
     valueUuid version versionId when who";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_fhir_names() {
        assert!(is_resource("Patient") && is_resource("VisionPrescription") && !is_resource("Dupont") && !is_resource(""));
        assert!(is_element("about") && is_element("multipleBirthBoolean") && !is_element("dupont") && !is_element(""));
    }
}
