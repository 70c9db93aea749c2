//! Near matches: what somebody who misspelt a word may have meant, in French.

/// Ends a sentence about a word that does not exist: the nearest words that do, three at most; nothing when none is near.
pub(super) fn meant<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> String {
    let mut near: Vec<(usize, &str)> = known.into_iter().filter_map(|one| Some((distance(word, one)?, one))).collect();
    near.sort_unstable();
    near.dedup();
    match near.iter().take(TOLD).map(|(_, one)| format!("« {one} »")).collect::<Vec<_>>() {
        near if near.is_empty() => String::new(),
        near => format!(" ; vouliez-vous dire {} ?", near.join(" ou ")),
    }
}

/// Letters between two words, when they are near; a word that begins the other is near however long the other is.
fn distance(word: &str, one: &str) -> Option<usize> {
    let letters = strsim::damerau_levenshtein(&word.to_lowercase(), one);
    let begins = word.chars().count() >= BEGINNING && (one.starts_with(word) || word.starts_with(one));
    let near = letters <= (one.chars().count() / 3).clamp(1, FARTHEST);
    (near || begins).then_some(letters)
}

const TOLD: usize = 3;
const FARTHEST: usize = 4;
const BEGINNING: usize = 4;

#[cfg(test)]
mod tests {
    use super::meant;

    #[test]
    fn the_nearest_words_are_told_first_and_far_ones_not_at_all() {
        let kinds = ["mairie-ccas", "crip", "caf", "medecin", "medecin-traitant", "famille"];
        assert_eq!(meant("mairie-cass", kinds), " ; vouliez-vous dire « mairie-ccas » ?");
        assert_eq!(meant("Crip", kinds), " ; vouliez-vous dire « crip » ?");
        assert_eq!(meant("medcin", kinds), " ; vouliez-vous dire « medecin » ?");
        assert_eq!(meant("medecin-t", kinds), " ; vouliez-vous dire « medecin » ou « medecin-traitant » ?");
        assert_eq!(meant("psychologue", kinds), "");
        assert_eq!(meant("", kinds), "");
    }
}
