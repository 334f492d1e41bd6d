// SPDX-License-Identifier: GPL-2.0
//! Tables for people.

/// Head of a column, and to which side its cells go.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    title: &'static str,
    right: bool,
}

impl Column {
    /// A column of words.
    pub const fn words(title: &'static str) -> Self {
        Self {
            title,
            right: false,
        }
    }

    /// A column of numbers.
    pub const fn numbers(title: &'static str) -> Self {
        Self { title, right: true }
    }
}

/// Rows under their heads, in columns as wide as need be; a line each.
pub fn lines(columns: &[Column], rows: &[Vec<String>]) -> Vec<String> {
    let heads: Vec<String> = columns.iter().map(|column| column.title.into()).collect();
    let all = || std::iter::once(&heads).chain(rows);
    let width = |at: usize| all().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    all().map(|row| line(row, columns, &widths)).collect()
}

/// As [`lines`], without as many columns behind the first.
pub fn lines_from(columns: &[Column], rows: &[Vec<String>], skip: usize) -> Vec<String> {
    let is_kept = |at: &usize| *at == 0 || *at > skip;
    let places: Vec<_> = (0..columns.len()).filter(is_kept).collect();
    let columns: Vec<_> = places.iter().map(|at| columns[*at]).collect();
    let cut = |row: &Vec<String>| places.iter().map(|at| row[*at].clone()).collect();
    lines(&columns, &rows.iter().map(cut).collect::<Vec<_>>())
}

/// As [`lines`], in one text.
pub fn text(columns: &[Column], rows: &[Vec<String>]) -> String {
    lines(columns, rows)
        .into_iter()
        .map(|line| line + "\n")
        .collect()
}

fn line(row: &[String], columns: &[Column], widths: &[usize]) -> String {
    let cell = |((cell, column), &width): ((&String, &Column), &usize)| {
        if column.right {
            format!("{cell:>width$}")
        } else {
            format!("{cell:width$}")
        }
    };
    let cells = row.iter().zip(columns).zip(widths).map(cell);
    cells.collect::<Vec<_>>().join("  ").trim_end().into()
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
        let columns = [Column::words("X"), Column::numbers("N"), Column::words("Y")];
        let rows = [
            vec!["a".into(), "5".into(), "bb".into()],
            vec!["cccc".into(), "100".into(), String::new()],
        ];
        let expected = "X       N  Y\na       5  bb\ncccc  100\n";
        assert_eq!(text(&columns, &rows), expected);
    }

    #[test]
    fn the_first_column_stays() {
        let columns = [Column::words("X"), Column::words("Y"), Column::words("Z")];
        let rows = [vec!["a".into(), "b".into(), "c".into()]];
        let skip = |count| lines_from(&columns, &rows, count);
        assert_eq!(skip(0), ["X  Y  Z", "a  b  c"]);
        assert_eq!(skip(1), ["X  Z", "a  c"]);
        assert_eq!(skip(9), ["X", "a"]);
    }

    #[test]
    fn pairs_are_aligned() {
        let list = [("a", "1".into()), ("bcd", "2".into())];
        assert_eq!(pairs("T", &list), "T\n  a    1\n  bcd  2\n");
    }
}
