//! Bodies in the encoding `aws-chunked`: chunks with their sizes, and headers behind the last one.

use bytes::{Bytes, BytesMut};

use crate::dev::wire::ApiError;

/// How long the line with a chunk's size may be.
const LINE_MAX: usize = 1024;
/// How many headers may follow the last chunk.
const TRAILERS_MAX: usize = 16;

/// A body without its chunks, and the headers behind it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    pub(super) body: Bytes,
    pub(super) trailers: Vec<(String, String)>,
}

/// Takes the chunks of a body apart; `length` is how long the request says that it is without them.
pub(super) fn decode(chunked: &Bytes, length: Option<u64>) -> Result<Decoded, ApiError> {
    let mut rest = &chunked[..];
    let mut body = BytesMut::new();
    loop {
        let line = line(&mut rest)?.ok_or_else(|| incomplete("a chunk has no size"))?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size =
            usize::from_str_radix(size, 16).map_err(|_| incomplete("a chunk's size is no hexadecimal number"))?;
        if size == 0 {
            break;
        }
        let (data, behind) =
            rest.split_at_checked(size).ok_or_else(|| incomplete("a chunk is shorter than its size"))?;
        body.extend_from_slice(data);
        rest = behind.strip_prefix(b"\r\n").ok_or_else(|| incomplete("a chunk is longer than its size"))?;
    }
    let mut trailers = Vec::new();
    while let Some(line) = line(&mut rest)? {
        // An empty line is the end.
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| incomplete("a header behind the body has no name"))?;
        trailers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        if trailers.len() > TRAILERS_MAX {
            return Err(incomplete("there are too many headers behind the body"));
        }
    }
    if length.is_some_and(|length| length != body.len() as u64) {
        return Err(incomplete("the body is not as long as x-amz-decoded-content-length says"));
    }
    Ok(Decoded { body: body.freeze(), trailers })
}

/// The next line without its end; `None` where there is none.
fn line<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a str>, ApiError> {
    if rest.is_empty() {
        return Ok(None);
    }
    let end = rest.windows(2).take(LINE_MAX).position(|two| two == b"\r\n");
    let (line, behind) = match end {
        Some(end) => (&rest[..end], &rest[end + 2..]),
        None if rest.len() <= LINE_MAX => (*rest, &[][..]),
        None => return Err(incomplete("a line between chunks is too long")),
    };
    *rest = behind;
    std::str::from_utf8(line).map(Some).map_err(|_| incomplete("a line between chunks is no text"))
}

fn incomplete(what: &str) -> ApiError {
    ApiError::new("IncompleteBody", format!("The request body terminated unexpectedly: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(chunked: &'static str, length: u64) -> Result<Decoded, ApiError> {
        decode(&Bytes::from_static(chunked.as_bytes()), Some(length))
    }

    #[test]
    fn chunks_become_one_body_and_trailers_become_headers() {
        let chunked = "5;chunk-signature=abc\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:sOO8/Q==\r\n\r\n";
        let Decoded { body, trailers } = decoded(chunked, 11).unwrap();
        assert_eq!(
            (&body[..], trailers),
            (&b"hello world"[..], vec![("x-amz-checksum-crc32".into(), "sOO8/Q==".into())])
        );
        assert_eq!(decoded("0\r\n\r\n", 0).unwrap().body, Bytes::new());
    }

    #[test]
    fn a_body_that_is_cut_or_lies_about_its_length_is_refused() {
        for (chunked, length) in [
            ("", 0),
            ("5\r\nhel", 5),
            ("5\r\nhello", 5),
            ("5\r\nhelloworld\r\n0\r\n\r\n", 10),
            ("zz\r\nhello\r\n0\r\n\r\n", 5),
            ("5\r\nhello\r\n0\r\n\r\n", 6),
            ("ffffffffffffffffff\r\n", 6),
        ] {
            assert_eq!(decoded(chunked, length).unwrap_err().code, "IncompleteBody", "{chunked:?}");
        }
    }
}
