//! Words and what they may be: one hash table, built while compiling, so that a fresh instance has nothing to set up.
//!
//! The lists were written for this project; each is a file of `lexicon/`, and a word may be in several. Lists of single
//! words are separated by any white space, lists of phrases have one phrase to a line. All are lower case.

/// What a word may be; a set of the bits below.
pub(crate) type Flags = u32;

pub(crate) const GIVEN: Flags = 1;
/// A given name that is an ordinary word as well.
pub(crate) const GIVEN_WORD: Flags = 1 << 1;
pub(crate) const SURNAME: Flags = 1 << 2;
/// Not part of a name.
pub(crate) const STOP: Flags = 1 << 3;
/// A person's name that medicine took: Babinski, Parkinson.
pub(crate) const EPONYM: Flags = 1 << 4;
/// What eponyms stand before: sign, syndrome.
pub(crate) const MEDICAL_NOUN: Flags = 1 << 5;
pub(crate) const HONORIFIC: Flags = 1 << 6;
/// MD, RN, …
pub(crate) const POSTNOMINAL: Flags = 1 << 7;
/// Jr, III, …
pub(crate) const GENERATION: Flags = 1 << 8;
pub(crate) const KIN: Flags = 1 << 9;
/// de, van, …
pub(crate) const PARTICLE: Flags = 1 << 10;
/// Street, Ave, …: after the name.
pub(crate) const STREET: Flags = 1 << 11;
/// Calle, Rue, …: before the name.
pub(crate) const STREET_BEFORE: Flags = 1 << 12;
/// Hospital, clinic.
pub(crate) const FACILITY: Flags = 1 << 13;
/// Center, institute: a facility's last word when a name stands before.
pub(crate) const FACILITY_TAIL: Flags = 1 << 14;
/// Medical, cancer: part of a facility's name, but not what tells it from others.
pub(crate) const FACILITY_MOD: Flags = 1 << 15;
/// General, county, riverside: tells a facility from others, although it is no name.
pub(crate) const PLACE_WORD: Flags = 1 << 16;
/// Months and weekdays.
pub(crate) const CALENDAR: Flags = 1 << 17;
pub(crate) const STATE_CODE: Flags = 1 << 18;
pub(crate) const STATE: Flags = 1 << 19;
pub(crate) const CITY: Flags = 1 << 20;
pub(crate) const INSTITUTION: Flags = 1 << 21;
pub(crate) const INSURER: Flags = 1 << 22;
/// The first word of a phrase.
pub(crate) const HEAD: Flags = 1 << 23;

/// Announces a name in running text: patient, named.
pub(crate) const CUE: Flags = 1 << 24;
/// Announces a name when a colon follows.
pub(crate) const NAME_LABEL: Flags = 1 << 25;
/// Announces a number or code.
pub(crate) const LABEL: Flags = 1 << 26;

/// An ordinary word: no name by itself, but it may be part of one.
pub(crate) const COMMON: Flags = 1 << 27;

/// Longest entry, in bytes.
pub(crate) const WORD_BYTES_MAX: usize = 32;
/// Most words of a phrase.
pub(crate) const PHRASE_WORDS_MAX: usize = 5;

#[derive(Clone, Copy)]
struct List {
    text: &'static str,
    flags: Flags,
    phrases: bool,
}

macro_rules! lists {
    ($($file:literal $flags:expr, $phrases:literal;)*) => {
        [$(List { text: include_str!(concat!("../lexicon/", $file)), flags: $flags, phrases: $phrases },)*]
    };
}

const LISTS: [List; 28] = lists![
    "given.txt" GIVEN, false;
    "given_world.txt" GIVEN, false;
    "given_words.txt" GIVEN_WORD, false;
    "surnames.txt" SURNAME, false;
    "stop.txt" STOP, false;
    "common.txt" COMMON, false;
    "eponyms.txt" EPONYM, false;
    "mednouns.txt" MEDICAL_NOUN, false;
    "honorifics.txt" HONORIFIC, false;
    "postnominals.txt" POSTNOMINAL, false;
    "generations.txt" GENERATION, false;
    "kin.txt" KIN, false;
    "particles.txt" PARTICLE, false;
    "streets.txt" STREET, false;
    "streets_before.txt" STREET_BEFORE, false;
    "facilities.txt" FACILITY, false;
    "facility_tails.txt" FACILITY_TAIL, false;
    "facility_mods.txt" FACILITY_MOD, false;
    "place_words.txt" PLACE_WORD, false;
    "months.txt" CALENDAR, false;
    "state_codes.txt" STATE_CODE, false;
    "states.txt" STATE, true;
    "cities.txt" CITY, true;
    "institutions.txt" INSTITUTION, true;
    "insurers.txt" INSURER, false;
    "cues.txt" CUE, false;
    "name_labels.txt" NAME_LABEL, false;
    "labels.txt" LABEL, false;
];

#[derive(Clone, Copy)]
struct Entry {
    word: &'static [u8],
    hash: u32,
    flags: Flags,
}

/// Slots, a power of two at least twice the entries.
const SLOTS: usize = 32_768;
/// Room for entries; the compiler says so when it is too small.
const ENTRIES: usize = 9_216;

struct Table {
    slots: [u16; SLOTS],
    entries: [Entry; ENTRIES],
    used: usize,
}

static TABLE: Table = build();

/// What a word may be. `lower` is lower case; 0 for words in no list.
pub(crate) fn flags(lower: &[u8]) -> Flags {
    flags_of(lower, hash(lower))
}

/// The same where the hash is known.
pub(crate) fn flags_of(lower: &[u8], hash: u32) -> Flags {
    if lower.len() > WORD_BYTES_MAX {
        return 0;
    }
    let mut slot = hash as usize % SLOTS;
    // An empty slot ends the search, and half of them are empty.
    while let Some(&index) = TABLE.slots.get(slot) {
        match TABLE.entries.get((index as usize).wrapping_sub(1)) {
            None => return 0,
            Some(entry) if entry.hash == hash && entry.word == lower => return entry.flags,
            Some(_) => slot = (slot + 1) % SLOTS,
        }
    }
    0
}

/// The entries that are any of `wanted` and none of `other`; phrases among them.
pub(crate) fn entries(wanted: Flags, other: Flags) -> impl Iterator<Item = &'static str> {
    let fits = move |entry: &&Entry| entry.flags & wanted != 0 && entry.flags & other == 0;
    let text = |entry: &'static Entry| std::str::from_utf8(entry.word).ok();
    TABLE.entries.iter().filter(fits).filter_map(text)
}

/// FNV-1a, with the high bits brought down.
pub(crate) const fn hash(word: &[u8]) -> u32 {
    let mut hash = HASH_START;
    let mut rest = word;
    while let [byte, tail @ ..] = rest {
        hash = hash_step(hash, *byte);
        rest = tail;
    }
    hash_end(hash)
}

/// The hash of a word that is read byte by byte: where it starts, one byte more, and its end.
pub(crate) const HASH_START: u32 = 0x811c_9dc5;

pub(crate) const fn hash_step(hash: u32, byte: u8) -> u32 {
    (hash ^ byte as u32).wrapping_mul(0x0100_0193)
}

pub(crate) const fn hash_end(hash: u32) -> u32 {
    hash ^ (hash >> 15)
}

// Runs in the compiler, where an index out of range is an error of compilation.
#[allow(
    clippy::indexing_slicing,
    long_running_const_eval,
    reason = "runs in the compiler only, over a few ten thousand bytes"
)]
const fn build() -> Table {
    let empty = Entry {
        word: &[],
        hash: 0,
        flags: 0,
    };
    let mut table = Table {
        slots: [0; SLOTS],
        entries: [empty; ENTRIES],
        used: 0,
    };
    let mut list = 0;
    while list < LISTS.len() {
        table = add_list(table, LISTS[list]);
        list += 1;
    }
    table
}

#[allow(clippy::indexing_slicing, reason = "runs in the compiler only")]
const fn add_list(mut table: Table, list: List) -> Table {
    let mut rest = list.text.as_bytes();
    while !rest.is_empty() {
        let mut end = 0;
        let mut head = None;
        while end < rest.len() && rest[end] != b'\n' && (list.phrases || rest[end] != b' ') {
            if rest[end] == b' ' && head.is_none() {
                head = Some(end);
            }
            end += 1;
        }
        let (word, tail) = rest.split_at(end);
        if !word.is_empty() {
            assert!(word.len() <= WORD_BYTES_MAX, "an entry is too long");
            table = add(table, word, list.flags);
            if let Some(head) = head {
                table = add(table, word.split_at(head).0, HEAD);
            }
        }
        rest = if tail.is_empty() {
            tail
        } else {
            tail.split_at(1).1
        };
    }
    table
}

#[allow(clippy::indexing_slicing, reason = "runs in the compiler only")]
const fn add(mut table: Table, word: &'static [u8], flags: Flags) -> Table {
    let hash = hash(word);
    let mut slot = hash as usize % SLOTS;
    while table.slots[slot] != 0 {
        let index = table.slots[slot] as usize - 1;
        if same(table.entries[index].word, word) {
            table.entries[index].flags |= flags;
            return table;
        }
        slot = (slot + 1) % SLOTS;
    }
    table.entries[table.used] = Entry { word, hash, flags };
    table.used += 1;
    table.slots[slot] = table.used as u16;
    table
}

#[allow(clippy::indexing_slicing, reason = "runs in the compiler only")]
const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_phrases_are_found_with_all_they_may_be() {
        assert_eq!(flags(b"michael") & GIVEN, GIVEN);
        assert_eq!(
            flags(b"may") & (GIVEN_WORD | CALENDAR),
            GIVEN_WORD | CALENDAR
        );
        assert_eq!(flags(b"san francisco"), CITY);
        assert_eq!(flags(b"san") & HEAD, HEAD);
        assert_eq!(flags(b"xyzzy"), 0);
        assert_eq!(flags(b""), 0);
    }

    #[test]
    fn the_table_is_at_most_half_full() {
        assert!(TABLE.used * 2 <= SLOTS, "{} entries", TABLE.used);
    }
}
