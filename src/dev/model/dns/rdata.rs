//! The values of records: which are right, and how they go onto the wire.

use std::str::FromStr;

use hickory_proto::rr::{RData, RecordType};

use super::name::normal;

/// The types that the dev cloud can answer with.
pub(super) const KINDS: [&str; 13] =
    ["A", "AAAA", "CAA", "CNAME", "MX", "NAPTR", "NS", "PTR", "SOA", "SPF", "SRV", "TLSA", "TXT"];
/// How long one value may be.
const VALUE_MAX: usize = 4000;

/// The wire type of one of [`KINDS`]. SPF records are obsolete, and were TXT records with another number.
pub(crate) fn record_type(kind: &str) -> Option<RecordType> {
    match kind {
        "SPF" => Some(RecordType::Unknown(99)),
        _ => RecordType::from_str(kind).ok(),
    }
}

/// The value in the form that DNS messages carry.
pub(crate) fn parse(kind: &str, value: &str) -> Option<RData> {
    match kind {
        "SPF" => match RData::try_from_str(RecordType::TXT, value) {
            Ok(RData::TXT(text)) => {
                let strings = text.txt_data.iter().flat_map(|part| {
                    let length = u8::try_from(part.len()).unwrap_or(u8::MAX);
                    std::iter::once(length).chain(part.iter().copied())
                });
                let rdata = hickory_proto::rr::rdata::NULL::with(strings.collect());
                Some(RData::Unknown { code: RecordType::Unknown(99), rdata })
            }
            _ => None,
        },
        // Names without a final dot are whole names for Route 53, not relative ones.
        "CNAME" | "NS" | "PTR" => RData::try_from_str(record_type(kind)?, &normal(value).ok()?).ok(),
        "MX" | "SRV" | "NAPTR" => {
            let (rest, name) = value.trim().rsplit_once(char::is_whitespace)?;
            let name = if name == "." { name.to_owned() } else { normal(name).ok()? };
            RData::try_from_str(record_type(kind)?, &format!("{rest} {name}")).ok()
        }
        _ => RData::try_from_str(record_type(kind)?, value).ok(),
    }
}

/// What is wrong with a value, in AWS's words.
pub(super) fn check(kind: &str, value: &str) -> Result<(), String> {
    let fatal = |code: &str, what: &str| {
        Err(format!("Invalid Resource Record: 'FATAL problem: {code} ({what}) encountered with '{value}''"))
    };
    if value.is_empty() || value.chars().count() > VALUE_MAX {
        return fatal("ValueLength", "Value must have 1 to 4000 characters");
    }
    if matches!(kind, "TXT" | "SPF") {
        return check_strings(value).or_else(|(code, what)| fatal(code, what));
    }
    if parse(kind, value).is_some() {
        return Ok(());
    }
    match kind {
        "A" => fatal("ARRDATAIllegalIPv4Address", "Value is not a valid IPv4 address"),
        "AAAA" => fatal("AAAARRDATAIllegalIPv6Address", "Value is not a valid IPv6 address"),
        "CNAME" | "NS" | "PTR" => fatal("DomainLabelIllegal", "Domain label is illegal"),
        "MX" => fatal("MXRRDATANotTwoFields", "MX record doesn't have 2 fields"),
        "SRV" => fatal("SRVRRDATANotFourFields", "SRV record doesn't have 4 fields"),
        "CAA" => fatal("CAARRDATAInvalid", "CAA record must have 3 fields: flags, tag and a quoted value"),
        _ => fatal("RRDATAInvalid", "Value is not valid for the type of the record"),
    }
}

/// One or more strings in quotation marks, with blanks between them, at most 255 characters each.
fn check_strings(value: &str) -> Result<(), (&'static str, &'static str)> {
    let mut rest = value.trim();
    while !rest.is_empty() {
        let Some(inside) = rest.strip_prefix('"') else {
            return Err(("InvalidCharacterString", "Value should be enclosed in quotation marks"));
        };
        let (mut length, mut escaped, mut end) = (0, false, None);
        for (at, c) in inside.char_indices() {
            match (escaped, c) {
                (false, '"') => {
                    end = Some(at);
                    break;
                }
                (false, '\\') => escaped = true,
                _ => {
                    escaped = false;
                    length += 1;
                }
            }
        }
        let Some(end) = end else {
            return Err(("InvalidCharacterString", "Value should be enclosed in quotation marks"));
        };
        if length > 255 {
            return Err(("CharacterStringTooLong", "Value is too long"));
        }
        rest = inside[end + 1..].trim_start();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked_by_type_in_the_words_of_aws() {
        for (kind, value) in [
            ("A", "192.0.2.1"),
            ("AAAA", "2001:db8::1"),
            ("CNAME", "www.example.com"),
            ("MX", "10 mail.example.com"),
            ("SRV", "1 10 5269 xmpp.example.com."),
            ("TXT", r#""v=spf1 -all" "second \" string""#),
            ("SPF", r#""v=spf1 -all""#),
            ("CAA", r#"0 issue "ca.example.net""#),
            ("NS", "ns-1.example.com"),
            ("SOA", "ns-1.example.com. hostmaster.example.com. 1 7200 900 1209600 86400"),
        ] {
            assert_eq!(check(kind, value), Ok(()), "{kind} {value}");
            assert!(parse(kind, value).is_some(), "{kind} {value}");
        }
        for (kind, value, code) in [
            ("A", "192.0.2", "ARRDATAIllegalIPv4Address"),
            ("AAAA", "192.0.2.1", "AAAARRDATAIllegalIPv6Address"),
            ("CNAME", "a..b", "DomainLabelIllegal"),
            ("MX", "mail.example.com", "MXRRDATANotTwoFields"),
            ("TXT", "no quotes", "InvalidCharacterString"),
            ("TXT", r#""open"#, "InvalidCharacterString"),
        ] {
            let said = check(kind, value).unwrap_err();
            assert!(said.contains(&format!("FATAL problem: {code} (")), "{said}");
        }
        assert!(check("TXT", &format!("\"{}\"", "x".repeat(256))).unwrap_err().contains("CharacterStringTooLong"));
    }
}
