# SPDX-License-Identifier: GPL-2.0
"""What becomes of the samples of the benchmark."""

import unittest
from xml.etree import ElementTree

from bench import plot
from bench.benchmark import MORE_IS_BETTER, Row, table


class RowTest(unittest.TestCase):
    """Median, spread and ratio of a row."""

    def setUp(self):
        self.row = Row("a row", "instructions", {"accel": [[1, 2, 90], [2, 2]],
                                                 "uacce": [[4, 4], [6, 6]]})

    def test_the_value_is_the_median_of_all_samples(self):
        self.assertEqual(self.row.value("accel"), 2)
        self.assertEqual(self.row.value("uacce"), 5)

    def test_the_spread_is_that_of_the_runs(self):
        self.assertEqual(self.row.spread("accel"), 0)
        self.assertEqual(self.row.spread("uacce"), 2 / 5)

    def test_a_ratio_above_one_is_worse(self):
        self.assertEqual(self.row.ratio(), 2 / 5)
        self.row.unit = MORE_IS_BETTER
        self.assertEqual(self.row.ratio(), 5 / 2)

    def test_to_nothing_there_is_no_ratio(self):
        self.row.runs["uacce"] = [[0]]
        self.assertIsNone(self.row.ratio())

    def test_the_table_has_each_row(self):
        lines = table([self.row]).splitlines()
        self.assertEqual(len(lines), 2)
        self.assertEqual(lines[1].split(), ["a", "row", "2", "5", "0.40", "40.0%", "instructions"])


class PlotTest(unittest.TestCase):
    """The picture of the ratios."""

    def test_it_is_xml_with_a_bar_for_each_ratio(self):
        picture = ElementTree.fromstring(plot.ratios([("a < b", 0.5), ("none", None), ("c", 9.0)]))
        texts = [element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")]
        self.assertEqual(texts[1:], ["a < b", "0.50", "c", "9.00"])


if __name__ == "__main__":
    unittest.main()
