//! Which characters are invisible, and how text with them is shown.
//!
//! The only definition, for text on a terminal, text on a page, and
//! identifiers: invisible characters could make a text look like another one,
//! or change how the text around it is shown. No input or output here.

/// Control characters, separators of lines and paragraphs, characters that
/// change the direction of text (Unicode Standard Annex 9), characters without
/// width, and characters that are not drawn (`Default_Ignorable_Code_Point`),
/// in order.
const INVISIBLE: [(char, char); 28] = [
    ('\u{0}', '\u{1f}'),
    ('\u{7f}', '\u{9f}'),
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// The ranges of invisible characters, first and last of each, in order.
#[must_use]
#[cfg(test)]
pub(crate) fn invisible_ranges() -> &'static [(char, char)] {
    &INVISIBLE
}

/// Whether `c` is invisible.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    let after = INVISIBLE.partition_point(|(first, _)| *first <= c);
    after
        .checked_sub(1)
        .and_then(|at| INVISIBLE.get(at))
        .is_some_and(|(_, last)| c <= *last)
}

/// Whether `text` contains an invisible character.
#[must_use]
pub fn has_invisible(text: &str) -> bool {
    text.contains(is_invisible)
}

/// `text` with each invisible character escaped, such as `\n` or `\u{200b}`.
#[must_use]
pub fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_invisible(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_are_escaped() {
        assert_eq!(
            shown("a\x1b]0;x\x07b\r\nc\u{9b}1m\u{202e}d"),
            "a\\u{1b}]0;x\\u{7}b\\r\\nc\\u{9b}1m\\u{202e}d"
        );
        assert_eq!(shown("claude\u{200b}"), "claude\\u{200b}");
        assert_eq!(shown("Zoë Müller 漢字 🙂"), "Zoë Müller 漢字 🙂");
    }

    #[test]
    fn every_kind_of_invisible_character_is_known() {
        for c in [
            '\0',
            '\n',
            '\u{7f}',
            '\u{85}',
            '\u{ad}',
            '\u{61c}',
            '\u{180e}',
            '\u{200b}',
            '\u{200d}',
            '\u{200e}',
            '\u{2028}',
            '\u{2029}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{e0041}',
            '\u{e0fff}',
        ] {
            assert!(is_invisible(c), "{c:?}");
        }
        for c in [
            ' ', '~', '\u{a0}', 'é', '\u{301}', 'ع', '\u{2010}', '\u{2027}', '\u{fffd}',
        ] {
            assert!(!is_invisible(c), "{c:?}");
        }
    }

    #[test]
    fn the_ranges_are_in_order() {
        assert!(INVISIBLE.iter().all(|(first, last)| first <= last));
        assert!(INVISIBLE.is_sorted_by(|left, right| left.1 < right.0));
    }
}
