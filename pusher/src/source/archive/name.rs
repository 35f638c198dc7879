//! Names of entries, which are paths inside of an archive and never leave it.

/// The name of what `path` leads to from the folder `from`, without `.` and `..`; none if it leads
/// out of the archive. Both are separated by slashes.
pub(super) fn inside(from: &str, path: &str) -> Option<String> {
    if path.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in from.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop()?,
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The folder in which `name` stands.
pub(super) fn folder(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_outside() {
        let table = [
            ("", "a", Some("a")),
            ("", "./a//b/", Some("a/b")),
            ("", ".", Some("")),
            ("a", "../b.tar", Some("b.tar")),
            ("a/b", "../../c", Some("c")),
            ("a", "b/../../c/.", Some("c")),
            ("", "..", None),
            ("", "a/../../b", None),
            ("a", "../../b", None),
            ("a", "/b", None),
            ("", "/etc/passwd", None),
        ];
        for (from, path, expected) in table {
            assert_eq!(inside(from, path).as_deref(), expected, "{from} {path}");
        }
        assert_eq!([folder("a/b/c"), folder("a")], ["a/b", ""]);
    }
}
