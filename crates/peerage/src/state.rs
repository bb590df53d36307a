//! The state directory: the dialback secret, and the randomness of this boot.
//!
//! A dialback key proves a name only while the secret is not guessed (CVE-2016-1232: a secret from a weak generator), so it
//! comes from the operating system, has 256 bits, is created once, and is refused when others can read it.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use s2s_proto::dialback::Secret;

/// The secret's file in the state directory.
pub const SECRET_FILE: &str = "dialback.secret";
/// The secret before it, while a rotation is under way.
pub const PREVIOUS_SECRET_FILE: &str = "dialback.secret.previous";
/// 256 bits as hexadecimal digits.
const SECRET_BYTES: usize = 32;
/// Nobody needs more; a larger file is some other file.
const SECRET_FILE_BYTES_MAX: u64 = 4_096;

/// Why the state directory cannot be used. Each message names the file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The directory cannot be made.
    #[error("router.state_dir = {path:?}: cannot be created: {source}", path = .path.display().to_string())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A secret cannot be read or written.
    #[error("{path}: {source}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Somebody else may read or write it.
    #[error("{path}: mode {mode:04o} lets others read the {what}: it may be known by now; make a new one (remove the file) or `chmod 600` it", path = .path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// What it holds.
        what: &'static str,
    },
    /// Not 256 bits of hexadecimal.
    #[error("{path}: {problem}: a dialback secret is at least {SECRET_BYTES} bytes as hexadecimal digits (`openssl rand -hex 32`); remove the file to have one made", path = .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The operating system gives no randomness.
    #[error("no randomness from the operating system: {0}")]
    Randomness(getrandom::Error),
}

/// Random bytes from the operating system.
///
/// # Errors
/// [`StateError::Randomness`].
pub fn random_bytes() -> Result<[u8; SECRET_BYTES], StateError> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(StateError::Randomness)?;
    Ok(bytes)
}

/// Random bytes as lower-case hexadecimal digits.
///
/// # Errors
/// [`StateError::Randomness`].
pub fn random_hex() -> Result<String, StateError> {
    Ok(random_bytes()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The dialback secret of a state directory; directory and secret are created when they are not there.
///
/// # Errors
/// Every other state of the directory.
pub fn open_secret(directory: &Path) -> Result<Arc<Secret>, StateError> {
    create_directory(directory)?;
    let file = directory.join(SECRET_FILE);
    create_secret(&file)?;
    read_secrets(directory)
}

/// The dialback secret if it exists, without writing anything; none when it is still to be made.
///
/// # Errors
/// As [`open_secret`].
pub fn inspect_secret(directory: &Path) -> Result<Option<Arc<Secret>>, StateError> {
    if directory.join(SECRET_FILE).exists() { read_secrets(directory).map(Some) } else { Ok(None) }
}

/// Makes a directory that only this user enters, with its parents.
///
/// # Errors
/// [`StateError::Directory`].
pub fn create_directory(path: &Path) -> Result<(), StateError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| StateError::Directory { path: path.to_owned(), source })
}

/// Writes a file that only this user reads; an existing one stays as it is.
///
/// # Errors
/// [`StateError::File`].
pub fn write_private(path: &Path, content: &[u8]) -> Result<(), StateError> {
    match create_private(path, content) {
        Err(StateError::File { source, .. }) if source.kind() == ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

/// Makes a file that only this user reads.
///
/// # Errors
/// [`StateError::File`], also when it exists.
pub fn create_private(path: &Path, content: &[u8]) -> Result<(), StateError> {
    create(path, content, 0o600)
}

/// Makes a file that everybody may read, as far as the directory lets them.
///
/// # Errors
/// As [`create_private`].
pub fn create_readable(path: &Path, content: &[u8]) -> Result<(), StateError> {
    create(path, content, 0o644)
}

fn create(path: &Path, content: &[u8], mode: u32) -> Result<(), StateError> {
    let failed = |source| StateError::File { path: path.to_owned(), source };
    // O_EXCL: never written through a link that somebody else has put there.
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(failed)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(failed)
}

fn create_secret(path: &Path) -> Result<(), StateError> {
    if path.exists() {
        return Ok(());
    }
    write_private(path, format!("{}\n", random_hex()?).as_bytes())
}

fn read_secrets(directory: &Path) -> Result<Arc<Secret>, StateError> {
    let (current, file) = read_secret(&directory.join(SECRET_FILE))?;
    let malformed =
        |path: &Path, problem: String| StateError::Malformed { path: path.to_owned(), problem };
    let mut secret = Secret::new(&current).map_err(|error| malformed(&file, error.to_string()))?;
    let previous = directory.join(PREVIOUS_SECRET_FILE);
    if previous.exists() {
        let (bytes, file) = read_secret(&previous)?;
        secret =
            secret.with_previous(&bytes).map_err(|error| malformed(&file, error.to_string()))?;
    }
    Ok(Arc::new(secret))
}

fn read_secret(path: &Path) -> Result<(Vec<u8>, PathBuf), StateError> {
    let failed = |source| StateError::File { path: path.to_owned(), source };
    let malformed = |problem: String| StateError::Malformed { path: path.to_owned(), problem };
    let metadata = fs::metadata(path).map_err(failed)?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        let what = "dialback secret";
        return Err(StateError::Exposed { path: path.to_owned(), mode, what });
    }
    if metadata.len() > SECRET_FILE_BYTES_MAX {
        return Err(malformed(format!("has {} bytes", metadata.len())));
    }
    let text = fs::read_to_string(path).map_err(failed)?;
    let digits = text.trim();
    if digits.len() < 2 * SECRET_BYTES {
        return Err(malformed(format!("has {} digits", digits.len())));
    }
    let bytes = decode_hex(digits)
        .ok_or_else(|| malformed("is not an even number of hexadecimal digits".to_owned()))?;
    Ok((bytes, path.to_owned()))
}

fn decode_hex(digits: &str) -> Option<Vec<u8>> {
    let nibble =
        |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = digits.as_bytes();
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    bytes.chunks_exact(2).map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_secret_is_made_once_and_only_this_user_reads_it() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("state");
        let first = open_secret(&directory).unwrap();
        let file = directory.join(SECRET_FILE);
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&directory).unwrap().mode() & 0o777, 0o700);
        assert_eq!(fs::read_to_string(&file).unwrap().trim().len(), 64);

        let again = open_secret(&directory).unwrap();
        let key = |secret: &Secret| secret.key("montague.example", "capulet.example", "id");
        assert_eq!(key(&first), key(&again));
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        open_secret(directory.path()).unwrap();
        let file = directory.path().join(SECRET_FILE);
        for mode in [0o640, 0o604, 0o660] {
            set_mode(&file, mode);
            let error = open_secret(directory.path()).unwrap_err();
            assert!(matches!(error, StateError::Exposed { mode: found, .. } if found == mode));
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
        set_mode(&file, 0o400);
        open_secret(directory.path()).unwrap();
    }

    #[test]
    fn a_short_or_broken_secret_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(SECRET_FILE);
        for text in ["", "secret", &"a".repeat(63), &"g".repeat(64), &"a".repeat(65)] {
            let _ = fs::remove_file(&file);
            write_private(&file, text.as_bytes()).unwrap();
            let error = open_secret(directory.path()).unwrap_err();
            assert!(matches!(error, StateError::Malformed { .. }), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_previous_secret_is_still_accepted() {
        let directory = tempfile::tempdir().unwrap();
        let old = open_secret(directory.path()).unwrap();
        let key = old.key("montague.example", "capulet.example", "id");
        let file = directory.path().join(SECRET_FILE);
        fs::rename(&file, directory.path().join(PREVIOUS_SECRET_FILE)).unwrap();

        let rotated = open_secret(directory.path()).unwrap();
        assert!(rotated.check("montague.example", "capulet.example", "id", &key));
        assert_ne!(rotated.key("montague.example", "capulet.example", "id"), key);
    }

    #[test]
    fn inspection_writes_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("state");
        assert!(inspect_secret(&directory).unwrap().is_none());
        assert!(!directory.exists());
    }
}
