// SPDX-License-Identifier: GPL-2.0
//! Tables for people.

/// Rows under a header, in columns as wide as need be.
pub fn columns(header: &[&str], rows: &[Vec<String>]) -> String {
    let header: Vec<String> = header.iter().map(|&title| title.into()).collect();
    let all = || std::iter::once(&header).chain(rows);
    let width = |column: usize| {
        all()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    all().map(|row| line(row, &widths)).collect()
}

fn line(row: &[String], widths: &[usize]) -> String {
    let cells = row
        .iter()
        .zip(widths)
        .map(|(cell, &width)| format!("{cell:width$}"));
    format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
}

/// Names and values, a line each.
pub fn pairs(title: &str, pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines = pairs
        .iter()
        .map(|(name, value)| format!("  {name:width$}  {value}\n"));
    format!("{title}\n{}", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_not_padded() {
        let rows = [
            vec!["a".into(), "bb".into()],
            vec!["cccc".into(), String::new()],
        ];
        assert_eq!(columns(&["X", "Y"], &rows), "X     Y\na     bb\ncccc\n");
    }

    #[test]
    fn pairs_are_aligned() {
        let list = [("a", "1".into()), ("bcd", "2".into())];
        assert_eq!(pairs("T", &list), "T\n  a    1\n  bcd  2\n");
    }
}
