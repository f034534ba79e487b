//! What holds for any address, spelling and text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use url::{Host, Url};
use vedette_egress::{Guard, Policy, address::denied_by, url_rules};

fn guard() -> Guard {
    Guard::new(Policy::default()).unwrap()
}

/// The special-purpose blocks once more, in the notation of the IANA registries, and judged by
/// plain arithmetic.
const SPECIAL_V4: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
];
/// Inside `2000::/3`; nothing outside of it is public.
const SPECIAL_V6: &[&str] = &["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];

fn block(text: &str) -> (u128, u32) {
    let (address, prefix) = text.split_once('/').unwrap();
    let bits = match address.parse().unwrap() {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    };
    (bits, prefix.parse().unwrap())
}

fn is_special_v4(address: Ipv4Addr) -> bool {
    SPECIAL_V4.iter().any(|text| {
        let (bits, prefix) = block(text);
        u128::from(address.to_bits()) >> (32 - prefix) == bits >> (32 - prefix)
    })
}

fn is_special_v6(address: Ipv6Addr) -> bool {
    let bits = address.to_bits();
    let is_within = |text: &str| {
        let (block, prefix) = block(text);
        bits >> (128 - prefix) == block >> (128 - prefix)
    };
    // The interface identifiers of ISATAP: `0000:5efe` and `0200:5efe` before an IPv4 address.
    let interface = bits >> 32 & 0xffff_ffff;
    bits >> 125 != 1
        || SPECIAL_V6.iter().any(|text| is_within(text))
        || matches!(interface, 0x5efe | 0x0200_5efe)
}

/// Any address, and those in and around the blocks more often than chance would have it.
fn any_v4() -> impl Strategy<Value = Ipv4Addr> {
    let near = (0..SPECIAL_V4.len(), any::<u32>(), -1_i32..=1).prop_map(|(at, low, step)| {
        let (bits, prefix) = block(SPECIAL_V4[at]);
        let rest = u32::MAX.checked_shr(prefix).unwrap_or(0);
        let first = u32::try_from(bits).unwrap();
        match step {
            -1 => first.wrapping_sub(1 + low % 3),
            0 => first | (low & rest),
            _ => (first | rest).wrapping_add(low % 3),
        }
    });
    prop_oneof![any::<u32>(), near].prop_map(Ipv4Addr::from_bits)
}

fn any_v6() -> impl Strategy<Value = Ipv6Addr> {
    let near = (0..SPECIAL_V6.len(), any::<u128>(), -1_i32..=1).prop_map(|(at, low, step)| {
        let (first, prefix) = block(SPECIAL_V6[at]);
        let rest = u128::MAX >> prefix;
        match step {
            -1 => first - 1 - low % 3,
            0 => first | (low & rest),
            _ => (first | rest) + low % 3,
        }
    });
    let unicast = any::<u128>().prop_map(|bits| 1 << 125 | bits >> 3);
    let isatap = (any::<u128>(), any::<bool>()).prop_map(|(bits, universal)| {
        let marker = if universal { 0x0200_5efe } else { 0x5efe };
        (1 << 125 | bits >> 3) & !(0xffff_ffff << 32) | marker << 32
    });
    let low = any::<u64>().prop_map(u128::from);
    prop_oneof![any::<u128>(), unicast, near, isatap, low].prop_map(Ipv6Addr::from_bits)
}

/// All the ways in which an IPv4 address is carried inside an IPv6 address.
fn dresses(v4: Ipv4Addr) -> Vec<String> {
    let [a, b, c, d] = v4.octets();
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    vec![
        format!("::ffff:{v4}"),
        format!("::{v4}"),
        format!("::ffff:0:{v4}"),
        format!("64:ff9b::{v4}"),
        // RFC 8215 in the layout of RFC 6052 for a prefix of 48 bits.
        format!("64:ff9b:1:{high:x}:{c:x}:{:x}::", u16::from(d) << 8),
        format!("2002:{high:x}:{low:x}::1"),
        // Teredo: as the server, and as the client, whose bits are inverted.
        format!("2001:0:{high:x}:{low:x}::1"),
        format!("2001:0:5db8:d822::{:x}:{:x}", !high, !low),
        format!("2606:4700::5efe:{high:x}:{low:x}"),
        format!("2606:4700::200:5efe:{high:x}:{low:x}"),
    ]
}

/// How one number of an address is written.
fn spelled(number: u32, way: u8) -> String {
    match way % 6 {
        0 => number.to_string(),
        1 => format!("0x{number:x}"),
        2 => format!("0X{number:08X}"),
        3 => format!("0{number:o}"),
        4 => format!("00000{number:o}"),
        _ => format!("0x0000{number:x}"),
    }
}

/// How one character of a host is written, such that the URL standard reads it as itself.
fn dressed(character: char, way: u8) -> String {
    let code = u32::from(character);
    match way % 8 {
        1 => format!("%{code:02x}"),
        2 if character.is_ascii_graphic() => {
            char::from_u32(code - 0x20 + 0xff00).unwrap().to_string()
        }
        3 if character == '.' => "\u{3002}".to_owned(),
        4 if character == '.' => "%E3%80%82".to_owned(),
        5 if character.is_ascii_digit() && character != '0' => {
            char::from_u32(code - u32::from('1') + 0x2460)
                .unwrap()
                .to_string()
        }
        6 => format!("{character}\u{ad}"),
        _ => character.to_string(),
    }
}

/// Parts of an address, each in its own notation, some of them joined, each character dressed.
fn spelling(v4: Ipv4Addr, parts: u32, ways: &[u8], dots: bool) -> String {
    let bits = v4.to_bits();
    let mut numbers: Vec<u32> = (1..parts).map(|n| bits >> (32 - 8 * n) & 0xff).collect();
    numbers.push(u32::MAX.checked_shr(8 * (parts - 1)).unwrap() & bits);
    let way = |at: usize| ways[at % ways.len()];
    let mut host: String = numbers
        .iter()
        .enumerate()
        .map(|(at, number)| spelled(*number, way(at)))
        .collect::<Vec<_>>()
        .join(".");
    if dots {
        host.push('.');
    }
    host.chars()
        .enumerate()
        .map(|(at, character)| dressed(character, way(at + 4)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn any_ipv4_address_is_judged_as_the_registry_says(v4 in any_v4()) {
        prop_assert_eq!(denied_by(v4.into()).is_some(), is_special_v4(v4), "{}", v4);
    }

    #[test]
    fn any_ipv6_address_is_judged_as_the_registry_says(v6 in any_v6()) {
        prop_assert_eq!(denied_by(v6.into()).is_some(), is_special_v6(v6), "{}", v6);
    }

    /// What is denied as IPv4 is denied in every IPv6 dress; so is everything else in one.
    #[test]
    fn no_dress_makes_an_address_better(v4 in any_v4()) {
        for dress in dresses(v4) {
            let address: IpAddr = dress.parse().unwrap();
            prop_assert!(denied_by(address).is_some(), "{} hides {}", dress, v4);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    /// Every spelling of one address is that address, and gets one verdict.
    #[test]
    fn spellings_do_not_matter(
        v4 in any_v4(),
        parts in 1_u32..=4,
        ways in prop::collection::vec(any::<u8>(), 1..40),
        dots: bool,
    ) {
        let host = spelling(v4, parts, &ways, dots);
        let url = format!("http://{host}/");
        let parsed = Url::parse(&url).unwrap();
        prop_assert_eq!(parsed.host(), Some(Host::Ipv4(v4)), "{}", host);
        let plain = guard().explain(&format!("http://{v4}/"));
        let found = guard().explain(&url);
        prop_assert_eq!(
            (found.verdict, found.stage, found.rule),
            (plain.verdict, plain.stage, plain.rule),
            "{}",
            host
        );
    }

    /// Where a request goes is what the client's own parser reads from the text.
    #[test]
    fn the_guard_reads_the_host_that_the_client_reads(text in any_url()) {
        if let Ok(target) = url_rules::check(&Policy::default(), &text) {
            let read = Url::parse(&text).unwrap();
            prop_assert_eq!(target.url.host(), read.host(), "{}", text);
            // What goes to the client is text again, and must not be read as another host then.
            let again = Url::parse(target.url.as_str()).unwrap();
            prop_assert_eq!(again.host(), read.host(), "{}", text);
            let address = match read.host() {
                Some(Host::Ipv4(address)) => Some(IpAddr::from(address)),
                Some(Host::Ipv6(address)) => Some(address.into()),
                _ => None,
            };
            prop_assert!(address.and_then(denied_by).is_none(), "{}", text);
        }
    }

    /// No text makes the guard panic.
    #[test]
    fn any_text_gets_a_verdict(text in "\\PC*") {
        guard().explain(&text);
        guard().explain(&format!("http://{text}/"));
    }
}

/// Texts made of what parsers disagree about.
fn any_url() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "http:",
        "https:",
        "HTTP:",
        "//",
        "/",
        "\\",
        "@",
        ":",
        "?",
        "#",
        ".",
        "%2e",
        "%40",
        "%2f",
        "\t",
        "\n",
        " ",
        "[",
        "]",
        "::1",
        "[::1]",
        "127.0.0.1",
        "8.8.8.8",
        "0x7f.1",
        "2130706433",
        "example.com",
        "a",
        "localhost",
        "80",
        ":8080",
        "xn--n3h",
        "\u{ff0e}",
        "\u{3002}",
        "\u{ad}",
        "\u{ff10}",
        "user",
        "&",
        ";",
        "..",
        "169.254.169.254",
        "1.1.1.1",
        "::ffff:7f00:1",
    ]);
    (any::<bool>(), prop::collection::vec(piece, 1..10)).prop_map(|(is_plain, pieces)| {
        let rest = pieces.concat();
        if is_plain {
            format!("http://{rest}")
        } else {
            rest
        }
    })
}
