//! Archives as Kraken answers with for reports: one file, not compressed (PKWARE APPNOTE.TXT 6.3, method "stored").

/// Version 1.0 is enough to take a stored file out.
const VERSION: u16 = 10;
/// Bit 11: the name is UTF-8.
const FLAGS: u16 = 1 << 11;

/// An archive with one file in it. `modified` is its date and time as MS-DOS counts.
pub(crate) fn stored(name: &str, content: &[u8], modified: (u16, u16)) -> Vec<u8> {
    // A report of ours is far below the 4 GiB that these fields hold.
    let size = u32::try_from(content.len()).unwrap_or(u32::MAX);
    let name_length = u16::try_from(name.len()).unwrap_or(u16::MAX);
    let mut common = Vec::with_capacity(26);
    let (date, time) = modified;
    for half in [VERSION, FLAGS, 0, time, date] {
        common.extend(half.to_le_bytes());
    }
    for whole in [crc32(content), size, size] {
        common.extend(whole.to_le_bytes());
    }
    common.extend(name_length.to_le_bytes());
    common.extend([0, 0]);

    let mut out = Vec::with_capacity(content.len() + 2 * name.len() + 98);
    out.extend(b"PK\x03\x04");
    out.extend(&common);
    out.extend(name.as_bytes());
    out.extend(content);

    let directory = out.len();
    out.extend(b"PK\x01\x02");
    out.extend(VERSION.to_le_bytes());
    out.extend(&common);
    // No comment, first disk, no attributes, local header at the very beginning.
    out.extend([0; 14]);
    out.extend(name.as_bytes());

    let length = out.len() - directory;
    out.extend(b"PK\x05\x06");
    // This disk and that of the directory; entries here and in all.
    for half in [0_u16, 0, 1, 1] {
        out.extend(half.to_le_bytes());
    }
    for whole in [length, directory] {
        out.extend(u32::try_from(whole).unwrap_or(u32::MAX).to_le_bytes());
    }
    out.extend([0, 0]);
    out
}

/// A date and time as MS-DOS counts: years from 1980, two seconds at a time.
pub(crate) fn dos_time(at: jiff::civil::DateTime) -> (u16, u16) {
    let field = |value: i8| u16::try_from(value).unwrap_or(0);
    let year = u16::try_from(at.year() - 1980).unwrap_or(0);
    let date = (year << 9) | (field(at.month()) << 5) | field(at.day());
    let time = (field(at.hour()) << 11) | (field(at.minute()) << 5) | (field(at.second()) / 2);
    (date, time)
}

/// CRC-32 as ZIP has it (reflected, polynomial 0x04C11DB7).
fn crc32(content: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut at: u32 = 0;
        while at < 256 {
            let (mut value, mut bit) = (at, 0);
            while bit < 8 {
                value = if value & 1 == 1 { (value >> 1) ^ 0xedb8_8320 } else { value >> 1 };
                bit += 1;
            }
            table[at as usize] = value;
            at += 1;
        }
        table
    };
    !content.iter().fold(!0, |crc, byte| (crc >> 8) ^ TABLE[usize::from(crc.to_le_bytes()[0] ^ byte)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_the_one_that_everybody_computes() {
        // The check value of the algorithm's catalogues.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn offsets_and_lengths_lead_to_the_file() {
        let at = jiff::civil::date(2026, 6, 9).at(10, 20, 31, 0);
        let archive = stored("trades.csv", b"a,b\n", dos_time(at));
        let number = |at: usize| u32::from_le_bytes(archive[at..at + 4].try_into().unwrap()) as usize;
        let end = archive.len() - 22;
        assert_eq!(&archive[end..end + 4], b"PK\x05\x06");
        let (length, directory) = (number(end + 12), number(end + 16));
        assert_eq!(directory + length, end);
        assert_eq!(&archive[directory..directory + 4], b"PK\x01\x02");
        assert_eq!((number(directory + 20), number(directory + 24), number(directory + 42)), (4, 4, 0));
        assert_eq!(&archive[directory + 46..end], b"trades.csv");
        assert_eq!(&archive[..4], b"PK\x03\x04");
        assert_eq!(&archive[30..44], b"trades.csva,b\n");
        assert_eq!(number(14), crc32(b"a,b\n") as usize);
        assert_eq!(dos_time(at), ((46 << 9) | (6 << 5) | 9, (10 << 11) | (20 << 5) | 15));
    }
}
