"""The README's examples, run against a real server."""

import doctest
import unittest

from support import HERE, Real


class Readme(unittest.TestCase):
    def test_every_example_does_what_it_says(self):
        server = Real()
        self.addCleanup(server.close)
        text = (HERE.parent / "README.md").read_text()
        names = {"HOST": "127.0.0.1", "PORT": server.port}
        test = doctest.DocTestParser().get_doctest(text, names, "README.md", "README.md", 0)
        self.assertGreater(len(test.examples), 15)
        said = []
        runner = doctest.DocTestRunner(verbose=False)
        runner.run(test, out=said.append)
        self.assertEqual(runner.failures, 0, "".join(said))


if __name__ == "__main__":
    unittest.main()
