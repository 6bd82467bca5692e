//! Signature Version 4, by which AWS knows who asks ("Create a signed AWS API request" in the IAM user guide),
//! for the one form of request that KMS has: `POST /`, without a query.

use std::fmt::Write as _;

use aws_lc_rs::digest::{self, SHA256};
use aws_lc_rs::hmac;
use keybound::NumericDate;
use zeroize::Zeroizing;

use super::Credentials;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

const SECONDS_OF_A_DAY: u64 = 24 * 60 * 60;

/// What a signature holds for.
pub(super) struct Scope<'a> {
    pub(super) now: NumericDate,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

impl Scope<'_> {
    /// The value of `Authorization` for a request with this body and at least these header fields, whose
    /// names are in lower case and in order.
    pub(super) fn authorization(
        &self,
        credentials: &Credentials,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> String {
        let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let fields = headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim()));
        let fields = Zeroizing::new(fields.collect::<Vec<_>>());
        let body = hex(digest::digest(&SHA256, body).as_ref());
        let request = Zeroizing::new(format!("POST\n/\n\n{}\n{names}\n{body}", fields.concat()));

        let scope = format!("{}/{}/{}/aws4_request", date(self.now), self.region, self.service);
        let request = hex(digest::digest(&SHA256, request.as_bytes()).as_ref());
        let signed = format!("{ALGORITHM}\n{}\n{scope}\n{request}", timestamp(self.now));
        let signature = hex(hmac::sign(&self.signing_key(credentials), signed.as_bytes()).as_ref());
        let key = &credentials.access_key_id;
        format!("{ALGORITHM} Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}")
    }

    fn signing_key(&self, credentials: &Credentials) -> hmac::Key {
        let secret = Zeroizing::new(format!("AWS4{}", *credentials.secret_access_key));
        let first = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        [&date(self.now), self.region, self.service, "aws4_request"].into_iter().fold(first, |key, part| {
            hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref())
        })
    }
}

/// `20150830T123600Z`, the value of `X-Amz-Date`.
pub(super) fn timestamp(now: NumericDate) -> String {
    let second = now.seconds() % SECONDS_OF_A_DAY;
    format!("{}T{:02}{:02}{:02}Z", date(now), second / 3600, second / 60 % 60, second % 60)
}

/// `20150830`, by Howard Hinnant's algorithm `civil_from_days`: years begin with March, so that the day that
/// comes and goes is their last.
fn date(now: NumericDate) -> String {
    let days = now.seconds() / SECONDS_OF_A_DAY + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of AWS's own test suite for Signature Version 4.
    const ACCESS_KEY: &str = "AKIDEXAMPLE";
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    const NOW: NumericDate = NumericDate::from_seconds(1_440_938_160);

    #[test]
    fn signatures_are_those_of_the_test_suite() {
        let credentials = Credentials {
            access_key_id: ACCESS_KEY.to_owned(),
            secret_access_key: Zeroizing::new(SECRET.to_owned()),
            session_token: None,
        };
        let host = ("host", "example.amazonaws.com");
        let at = ("x-amz-date", "20150830T123600Z");
        for (name, headers, body, names, signature) in [
            (
                "post-vanilla",
                &[host, at][..],
                "",
                "host;x-amz-date",
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                "post-x-www-form-urlencoded",
                &[("content-type", "application/x-www-form-urlencoded"), host, at],
                "Param1=value1",
                "content-type;host;x-amz-date",
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
        ] {
            let scope = Scope { now: NOW, region: "us-east-1", service: "service" };
            let expected = format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                 SignedHeaders={names}, Signature={signature}"
            );
            assert_eq!(scope.authorization(&credentials, headers, body.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn times_are_written_as_aws_reads_them() {
        for (seconds, written) in [
            (0, "19700101T000000Z"),
            (951_782_400, "20000229T000000Z"),
            (951_868_799, "20000229T235959Z"),
            (951_868_800, "20000301T000000Z"),
            (1_440_938_160, "20150830T123600Z"),
            (1_704_067_199, "20231231T235959Z"),
            (4_107_542_400, "21000301T000000Z"),
        ] {
            assert_eq!(timestamp(NumericDate::from_seconds(seconds)), written);
        }
    }
}
