# SPDX-License-Identifier: Apache-2.0
"""The chat: its commands, and what it survives.

    chat_test.py GEMMA3N
"""
import json
import pathlib
import re
import shutil
import time
import unittest

from program import GEMMA3N, Program, Terminal, WITHOUT_END, call, sample_media, start

ROOT = pathlib.Path(__file__).resolve().parents[2]
NANO, EVAL = ROOT / "models/nano", ROOT / "models/nano/eval"
TRANSCRIBE = "Transcribe the following speech segment."
HAS_MEDIA = (pathlib.Path(GEMMA3N).parent / "gemma3n-media").exists()


class Conversation(Program):
    def test_commands(self):
        code, out, err = self.chat("Hello", "/set temp 0", "/set temp x", "/nothing",
                                   "/show context", "/show model", "/undo", "/bye")
        self.assertEqual(code, 0, err)
        self.assertIn("of 1024 tokens", out)
        self.assertIn(f"{self.model}: vocabulary", out)
        self.assertIn("expected a number", err)
        self.assertIn("/nothing is no command", err)
        self.assertIn("context 1024 tokens", err)

    def test_saves_and_loads(self):
        file = self.place / "talk.json"
        self.chat("one", f"/save {file}", "/bye")
        turns = json.loads(file.read_text())["turns"]
        self.assertEqual([t["role"] for t in turns], ["user", "model"])
        _, out, err = self.chat(f"/load {file}", "two", "/show prompt", "/bye")
        self.assertIn("one<end_of_turn>", out, err)
        self.assertIn("two<end_of_turn>", out)

    def test_cached_turns_change_nothing(self):
        """A second turn that finds the first one cached answers as a fresh process does."""
        file, again = self.place / "fresh.json", self.place / "again.json"
        self.chat("first", "second", f"/save {file}", "/bye", arguments=("--raw-output",))
        turns = json.loads(file.read_text())["turns"]
        again.write_text(json.dumps({"system": "", "turns": turns[:2]}))
        self.chat(f"/load {again}", "second", f"/save {again}", "/bye")
        self.assertEqual(json.loads(again.read_text())["turns"], turns)

    def test_survives_bad_names(self):
        code, out, err = self.chat(
            "Hello", "/save", "/export", "/load", '/save ""', f"/save {self.place}",
            f"/export {self.place}", f"/load {self.place}", "/load /dev/zero", "/file",
            "/save /nonexistent/x", "/image", "/image /nonexistent", "/show context")
        self.assertEqual(code, 0, err)
        self.assertIn("tokens\n", out)
        self.assertEqual(err.count("expected the name of a file"), 6, err)
        self.assertIn("found a directory", err)
        self.assertIn("/nonexistent/x: cannot be written", err)
        self.assertEqual(list(self.place.glob("*.part")), [])

    def test_loads_only_conversations_in_turn(self):
        file = self.place / "odd.json"
        for roles, found in ((("model",), "turn 1: expected the role user"),
                             (("user", "user"), "turn 2: expected the role model"),
                             (("user",), "expected an answer to the last message")):
            turns = [{"role": role, "text": "x"} for role in roles]
            file.write_text(json.dumps({"system": "", "turns": turns}))
            code, out, err = self.chat(f"/load {file}", "/retry", "/undo", "/show context")
            self.assertEqual(code, 0, err)
            self.assertIn(found, err)
            self.assertIn("/retry: nothing was said yet", err)
            self.assertIn("0 of 1024", out)

    def test_failing_retry_changes_nothing(self):
        file = self.place / "kept.json"
        _, _, err = self.chat("Hello", "/retry hot", "/set top-k 7", "/retry 0.5", "/set",
                              f"/save {file}")
        self.assertIn("temp 0  top-k 7", err)
        self.assertEqual(len(json.loads(file.read_text())["turns"]), 2)
        long = "x" * 2000  # does not fit
        _, out, err = self.chat("Hello", long, "/show context", f"/save {file}")
        self.assertIn("context holds 1024", err)
        self.assertEqual(len(json.loads(file.read_text())["turns"]), 2)

    def test_undo_and_clear_empty_the_context(self):
        _, out, _ = self.chat("Hello", "/show context", "more", "/undo", "/show context", "/clear",
                              "/show context")
        used = re.findall(r"(\d+) of 1024", out)
        self.assertEqual(used[0], used[1])
        self.assertEqual(used[2], "0")

    def test_another_size_goes_on_as_it_is_told_to(self):
        words = "Copy:" + " red blue green" * 12
        nano = ROOT / "models/nano"

        def known(*arguments):
            """The tokens of the second prompt that were in the cache."""
            lines = "\n".join([words, "/size ffn=256", "Copy: red", "/bye", ""])
            code, _, err = call("chat", "-m", nano, "--temp", 0, "--stats", *arguments,
                                input=lines.encode())
            self.assertEqual(code, 0, err)
            found = re.search(r"(\d+) tokens known already", err.rsplit("prompt ", 1)[1])
            return int(found.group(1)) if found else 0

        self.assertEqual(known(), 0)
        self.assertGreater(known("--keep-cache"), 30)
        self.assertGreater(known("--reread-behind"), 30)
        code, _, err = call("chat", "-m", nano, "--temp", 0, "--stats", "--elastic", "1e-9s",
                            input=("Say:" + " one" * 80 + "\n/clear\n" + words * 3 + "\n").encode())
        self.assertEqual(code, 0, err)
        self.assertIn("first token", err)

    def test_another_model(self):
        other, blind = self.place / "other", self.place / "blind.json"
        config = json.loads((self.model / "config.json").read_text())
        del config["vision_config"]
        blind.write_text(json.dumps(config))
        self.assertEqual(call("synth", "--like", blind, "--seed", 4, "--out", other)[0], 0)
        code, out, err = self.chat(f"/image {self.place}/p.png", "look", "/model /nonexistent",
                                   "/show model", f"/model {other}", "/show model", "again",
                                   "/show prompt")
        self.assertEqual(code, 0, err)
        self.assertIn("/nonexistent: expected a model directory", err)
        self.assertIn("left out 1 attachment, which this model does not see", err)
        self.assertIn(f"{self.model}: vocabulary", out)
        self.assertRegex(out, f"{other}: vocabulary .* pictures no, sound yes")
        self.assertIn("look<end_of_turn>", out)  # the text goes with us
        self.assertRegex(out, r"again<end_of_turn>\n<start_of_turn>model\n\n\d+ tokens: 2,\d+,")

    def test_settings(self):
        _, out, err = self.chat("/set min-p 0.1", "/set repeat-penalty 1.5", "/set stop END",
                                "/set history off", "/set seed 18446744073709551615", "/set",
                                "/set min-p nan", "/set stats maybe", "/set seed -1")
        for part in ("min-p 0.1", "repeat-penalty 1.5", "stop 'END'", "history off",
                     "seed 18446744073709551615", "/set min-p: expected", "expected on or off",
                     "/set seed: expected"):
            self.assertIn(part, err)

    def test_blocks(self):
        _, out, err = self.chat('"""/bye"""', '"""one', 'two""" three', "/show prompt")
        self.assertIn("/bye<end_of_turn>", out, err)
        self.assertIn("one\ntwo three<end_of_turn>", out)

    def test_export(self):
        markdown, plain = self.place / "talk.md", self.place / "talk2.json"
        self.chat("Hello", f"/export md {markdown}", f"/export json {plain}")
        self.assertTrue(markdown.read_text().startswith("**You**\n\nHello"))
        self.assertEqual(json.loads(plain.read_text())["turns"][0]["text"], "Hello")

    def test_edit(self):
        _, out, err = self.chat("Hello", "/edit", "/show prompt",
                                env={"EDITOR": "sed -i s/Hello/Goodbye/"})
        self.assertIn("Goodbye<end_of_turn>", out, err)
        _, out, err = self.chat("Hello", "/edit", "/show prompt", env={"EDITOR": "false"})
        self.assertIn("the editor failed", err)
        self.assertIn("Hello<end_of_turn>", out)

    def test_copy_needs_a_terminal(self):
        self.assertIn("expected a terminal", self.chat("Hello", "/copy")[2])


class Attachments(Program):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        sample_media.write_picture(cls.place / "a b.png")

    def test_paths_attach(self):
        spaced = f"{self.place}/a b.png"
        for line in (f"{self.place}/p.png", spaced, f'"{spaced}"', f"'{spaced}'",
                     spaced.replace(" ", "\\ "), f"\x1b[200~{spaced}\x1b[201~",
                     f'/image "{spaced}"', f"/image {spaced}"):
            _, out, err = self.chat(line, "/show context")
            self.assertRegex(err, r"picture attached to the next message: .*, \d+ tokens, \d+ left")
        self.assertIn("sound attached", self.chat(f"{self.place}/s.wav")[2])

    def test_spans_of_a_film(self):
        film = min((ROOT / "models/nano/eval").glob("film-*.mp4"))
        if not (pathlib.Path(GEMMA3N).parent / "gemma3n-media").exists():
            self.skipTest("films need gemma3n-media")
        shutil.copy(film, self.place / "a film.mp4")
        shutil.copy(film, self.place / "a film.mp4 0-1")  # a name that looks like a span
        plain = f"{self.place}/a film.mp4"
        for typed, times in ((f"{plain} 1-2", "01"), (f'"{plain}" 0:01-0:00:01.5', "01"),
                             (plain, None), (f"{plain} 0-1", None)):
            code, out, err = self.chat(f"/video {typed}", "look", "/show prompt")
            self.assertEqual(code, 0, err)
            self.assertIn("film attached to the next message: ", err)
            prompt = re.search("user\n(.*)look<end_of_turn>", out, re.S).group(1)
            found = " ".join(re.findall(r"00:(\d\d)", prompt))
            self.assertTrue(found.startswith("00 01") if times is None else found == times, found)
        ids = [self.answer("--video", typed, "look")["prompt_token_ids"]
               for typed in (plain, f"{plain} 1-2")]
        self.assertLess(len(ids[1]), len(ids[0]))
        unread = ("1", "1-", "-1", "1-x", "1:60-2:00", "1.5:00-2:00", "0:0:0:1-2", "1e0-2", "inf-2",
                  "1-2-3", ":-:")
        for span, code, words in (
                ("3-1", 4, "expected an end after its start, found 3 to 1 s"),
                ("1-1", 4, "expected an end after its start"),
                ("1-900", 4, "that are looked at, found 1 to 900 s"),
                ("15:00-16:00", 4, "that are looked at, found 900 to 960 s"),
                *((span, 2, f"{plain}: span of the film: expected FROM-TO such as 65-80 or "
                            f"1:05-1:20, found {span}\n") for span in unread)):
            self.refused(code, words, "run", "-m", self.model, "--video", f"{plain} {span}", "look")
        _, _, err = self.chat(*(f"/video {plain} {span}" for span in unread))
        self.assertEqual(err.count("expected FROM-TO"), len(unread), err)

    def test_unreadable_files_are_refused(self):
        for name, head in (("x.heic", b"\0\0\0\x18ftypheic" + b"\0" * 64), ("x.pdf", b"%PDF-1.7\n")):
            (self.place / name).write_bytes(head)
            code, _, err = self.chat(f"{self.place}/{name}")
            self.assertEqual(code, 0)
            self.assertIn("found a file of the kind", err)

    def test_what_does_not_fit_is_not_attached(self):
        _, _, err = self.chat(f"/image {self.place}/p.png", "Hello", arguments=("--ctx", 24))
        self.assertIn("/clear begins anew", err)

    def test_retry_leaves_attachments_to_the_next_message(self):
        _, out, err = self.chat("Hello", f"/image {self.place}/p.png", "/retry", "/show prompt",
                                "look", "/show prompt")
        prompts = [line for line in out.splitlines() if "<start_of_turn>user" in line]
        self.assertNotIn("image", prompts[0] if prompts else "", err)
        self.assertIn("image_soft_token", out)

    def test_save_says_that_media_are_left_out(self):
        file = self.place / "media.json"
        self.assertIn("are not saved", self.chat(f"/image {self.place}/p.png", "look",
                                                 f"/save {file}")[2])
        self.assertNotIn("are not saved", self.chat("look", f"/save {file}")[2])


class FullContext(Program):
    """What is left out of a conversation that has grown too long, and that it is said."""

    def nano(self, *lines, arguments=()):
        return call("chat", "-m", NANO, "--temp", 0, *arguments,
                    input="".join(line + "\n" for line in lines).encode())

    def test_oldest_turns_go(self):
        file = self.place / "whole.json"
        lines = [f"{number} " + "x" * 180 for number in range(8)]
        code, out, err = self.chat(*lines, "/show context", "/show prompt", f"/save {file}")
        self.assertEqual(code, 0, err)
        self.assertRegex(err, r"\d+ oldest turns left out, the context is full\n")
        prompt = out[out.index("<start_of_turn>"):]
        self.assertNotIn(lines[0], prompt)
        self.assertIn(lines[-1], prompt)
        self.assertTrue(prompt.startswith("<start_of_turn>user"), prompt)
        self.assertLess(int(re.search(r"(\d+) of 1024", out).group(1)), 1024)
        self.assertEqual(len(json.loads(file.read_text())["turns"]), 16)  # all of it is saved
        # Room is made in steps: not before each message.
        self.assertLess(err.count("left out"), 4)

    def test_the_system_text_stays(self):
        _, out, err = self.chat(*("x" * 180 for _ in range(8)), "/show prompt",
                                arguments=("--system", "Be brief."))
        self.assertIn("turns left out", err)
        self.assertIn("Be brief.", out)

    def test_a_message_that_does_not_fit_is_an_error(self):
        code, out, err = self.chat("Hello", "x" * 2000, "/show context")
        self.assertEqual(code, 0, err)
        self.assertIn("but the context holds 1024", err)
        self.assertNotIn("left out", err)

    def test_oldest_media_go_before_turns(self):
        picture, sound = EVAL / "pictures-0070.png", EVAL / "speech new voices-0016.flac"
        lines = []
        for _ in range(3):
            lines += [f"/image {picture}", "Describe the picture.", f"/audio {sound}", TRANSCRIBE]
        code, out, err = self.nano(*lines, "/show prompt", arguments=("--ctx", 220))
        self.assertEqual(code, 0, err)
        # Nano's pictures are hardly longer than the text that stands for one: turns must go, too.
        self.assertIn("2 pictures and 2 sounds of earlier messages and the 2 oldest turns left out, "
                      "the context is full\n", err)
        self.assertEqual(out.count("a red square at the bottom right\n"), 3, out)
        prompt = out[out.index("<start_of_turn>"):]
        self.assertTrue(prompt.startswith(f"<start_of_turn>user\n[an earlier sound]{TRANSCRIBE}"), prompt)

    def test_a_film_goes_alone(self):
        if not HAS_MEDIA:
            self.skipTest("films need gemma3n-media")
        film = min(EVAL.glob("film-*.mp4"))
        code, out, err = self.nano(f"/video {film}", "What happens in the film?", "Say: blue",
                                   "Say: red", "/show prompt", arguments=("--ctx", 180))
        self.assertEqual(code, 0, err)
        self.assertIn("\n1 film of earlier messages left out, the context is full\n", err)
        self.assertIn("user\n[an earlier film]What happens", out)

    def test_attaching_counts_what_can_be_left_out(self):
        picture = EVAL / "pictures-0070.png"
        lines = [f"/image {picture}", "Describe the picture."] * 4
        code, out, err = self.nano(*lines, arguments=("--ctx", 100))
        self.assertEqual(code, 0, err)
        self.assertIn("in the place of what was said first", err)
        self.assertEqual(out.count("a red square at the bottom right"), 4, out + err)
        _, _, err = self.nano(*[f"/image {picture}"] * 8, arguments=("--ctx", 100))
        self.assertIn("/clear begins anew", err)


class Keys(Program):
    """On a terminal."""

    def open(self, *arguments, most=40000, **options):
        terminal = Terminal("chat", "-m", self.long_model(), "--ctx", 50000, "--max-tokens", most,
                            *WITHOUT_END, *arguments, **options)
        terminal.until(">>> ")
        return terminal

    def leave(self, terminal):
        terminal.until(">>> ")  # or the key comes while the terminal is not yet the editor's
        terminal.send("\x04")
        self.assertEqual(terminal.wait(), 0)

    def leave_empty(self, terminal):
        """Leaves a chat in which nothing is said yet."""
        terminal.send("/show context\r")
        terminal.until("0 of 50000")
        self.leave(terminal)

    def test_ctrl_c_stops_the_answer_alone(self):
        terminal = self.open()
        terminal.send("Hello\r")
        terminal.until("Hello\r\n")
        while len(terminal.seen) < terminal.at + 20:  # the answer has begun
            terminal._read(60)
        terminal.send("\x03")
        terminal.until(">>> ")
        terminal.send("/show model\r")
        terminal.until("vocabulary")
        terminal.until(">>> ")
        terminal.send("/bye\r")
        self.assertEqual(terminal.wait(), 0)

    def test_ctrl_c_at_the_prompt(self):
        terminal = self.open()
        terminal.send("half a li")
        terminal.until("half a li")
        terminal.send("\x03")
        terminal.until("Ctrl-C again")
        terminal.until(">>> ")
        terminal.send("/show context\r")
        terminal.until("0 of 50000")  # the half line is gone
        terminal.until(">>> ")
        terminal.send("\x03")
        terminal.until(">>> ")
        terminal.send("\x03")
        self.assertEqual(terminal.wait(), 0)

    def test_ctrl_c_before_the_answer_takes_the_message_back(self):
        system = self.place / "system"
        system.write_text("x" * 20000)  # takes long to read
        terminal = self.open("--system", f"@{system}", most=1)
        terminal.send(f"{self.place}/p.png\r")
        terminal.until("picture attached")
        terminal.until(">>> ")
        terminal.send("Hello\r")
        terminal.until("Hello\r\n")
        time.sleep(0.2)  # until the line editor has given the keys back to the terminal
        terminal.send("\x03")
        terminal.until("the message is taken back")
        terminal.until(">>> ")
        terminal.send("/show context\r")
        terminal.until("0 of 50000")
        terminal.until(">>> ")
        terminal.send("/set system\r")
        terminal.until(">>> ")
        terminal.send("Hello\r")
        terminal.until(">>> ")
        terminal.send("/show prompt\r")
        terminal.until("image_soft_token")  # the picture waited
        terminal.until(">>> ")
        terminal.send("/bye\r")
        self.assertEqual(terminal.wait(), 0)

    def test_ctrl_c_drops_a_block(self):
        terminal = self.open()
        terminal.send('"""one\r')
        terminal.until("... ")
        terminal.send("\x03")
        terminal.until(">>> ")
        self.leave_empty(terminal)

    def test_alt_enter_begins_another_line(self):
        terminal = self.open(most=1)
        terminal.send("one\x1b\r")
        terminal.until("... ")
        terminal.send("tw\u00f6\x1b\r")
        terminal.until("... ")
        terminal.send("three\r")
        terminal.until(">>> ")
        terminal.send("/show prompt\r")
        terminal.until("one\r\ntw\u00f6\r\nthree<end_of_turn>")
        terminal.until(">>> ")
        terminal.send("four\x1b\r")
        terminal.until("... ")
        terminal.send("\x03")  # drops all of it
        terminal.until(">>> ")
        terminal.send("/undo\r")
        terminal.until(">>> ")
        self.leave_empty(terminal)

    def test_ctrl_g_opens_the_editor(self):
        script = self.place / "edit.sh"
        script.write_text('cat "$1" > "$0.saw"\nprintf "r\u00e9d\\ngreen\\nblue\\n" > "$1"\n')
        terminal = self.open(most=1, env={"VISUAL": f"sh {script}", "EDITOR": "false"})
        terminal.send("one\x1b\r")
        terminal.until("... ")
        terminal.send("two\x07")
        terminal.until(">>> r\u00e9d\r\n... green\r\n")
        terminal.until("\r... blue")
        self.assertEqual((self.place / "edit.sh.saw").read_text(), "one\ntwo")
        terminal.send("!\r")
        terminal.until(">>> ")
        terminal.send("/show prompt\r")
        terminal.until("r\u00e9d\r\ngreen\r\nblue!<end_of_turn>")
        self.leave(terminal)

    def test_a_message_of_several_lines_is_one_entry_of_the_history(self):
        home = self.place / "home"
        home.mkdir()
        up, mark = "\x1b[A", "\u2424"
        terminal = self.open(most=1, env={"HOME": home})
        terminal.send("one\x1b\r")
        terminal.until("... ")
        terminal.send("tw\u00f6\r")
        terminal.until(">>> ")
        terminal.send('"""red\r')
        terminal.until("... ")
        terminal.send('blue"""\r')
        terminal.until(">>> ")
        terminal.send(up)
        terminal.until(f'"""red{mark}blue"""')
        terminal.send("\r")
        terminal.until(">>> ")
        terminal.send("/show prompt\r")
        terminal.until("red\r\nblue<end_of_turn>")
        terminal.until("red\r\nblue<end_of_turn>")
        self.leave(terminal)
        terminal = self.open(most=1, env={"HOME": home})  # whose history comes from the file
        for _ in range(3):
            terminal.send(up)
        terminal.send(up + "\x05!\r")  # Ctrl-E: the end of the line
        terminal.until(">>> ")
        terminal.send("/show prompt\r")
        terminal.until("one\r\ntw\u00f6!<end_of_turn>")
        self.leave(terminal)

    def test_an_editor_that_fails_changes_nothing(self):
        terminal = self.open(most=1, env={"VISUAL": "false"})
        terminal.send("kept\x07")
        terminal.until("the editor failed")
        terminal.until(">>> kept")
        terminal.send(" text\r")
        terminal.until(">>> ")
        terminal.send("/show prompt\r")
        terminal.until("kept text<end_of_turn>")
        self.leave(terminal)

    def test_pasted_lines_are_one_message(self):
        terminal = self.open(most=1)
        self.assertIn("\x1b[?2004h", terminal.seen)
        terminal.send("see \x1b[200~one\rtw\u00f6\n\x1b[201~")
        terminal.until("see one\u2424tw\u00f6")
        terminal.send("!\r")
        terminal.until("\x1b[?2004l")
        terminal.until(">>> ")
        terminal.send("/show prompt\r")
        terminal.until("see one\r\ntw\u00f6!<end_of_turn>")
        terminal.until(">>> ")
        terminal.send("\x1b[200~without an end")
        time.sleep(0.2)  # until it is read
        terminal.send("\x03")
        terminal.until("Ctrl-C again")
        terminal.until(">>> ")
        long = "\r".join(["x" * 50] * 100)  # more than a terminal holds back
        terminal.send("/show context\r")
        terminal.until("tokens")
        terminal.until(">>> ")
        for begin in range(0, len(long), 1000):
            terminal.send(("\x1b[200~" if begin == 0 else "") + long[begin:begin + 1000])
            terminal._read(0.05)
        terminal.send("\x1b[201~\r")
        terminal.until(">>> ")
        terminal.send("/show prompt\r")
        terminal.until(long.replace("\r", "\r\n") + "<end_of_turn>")
        self.leave(terminal)

    def test_pasted_path_attaches(self):
        terminal = self.open()
        terminal.send(f"\x1b[200~{self.place}/p.png\x1b[201~\r")
        terminal.until("picture attached")
        terminal.until(">>> ")
        terminal.send("/bye\r")
        self.assertEqual(terminal.wait(), 0)

    def test_lines_typed_ahead_are_heard(self):
        terminal = self.open(most=2)
        terminal.send("one\rtwo\r/show prompt\r/bye\r")
        terminal.until("one<end_of_turn>")
        terminal.until("two<end_of_turn>")
        self.assertEqual(terminal.wait(), 0)

    def test_copy(self):
        terminal = self.open(most=2)
        terminal.send("Hello\r")
        terminal.until(">>> ")
        terminal.send("/copy\r")
        terminal.until("\x1b]52;c;")
        terminal.until(">>> ")
        terminal.send("/bye\r")
        self.assertEqual(terminal.wait(), 0)

    def test_narrow_and_dumb_terminals(self):
        narrow = self.open(columns=1)
        narrow.send("/bye\r")
        self.assertEqual(narrow.wait(), 0)
        dumb = self.open("--stats", most=2, term="dumb")
        dumb.send("Hello\r")
        dumb.until("prompt ")
        dumb.until(">>> ")
        dumb.send("/bye\r")
        self.assertEqual(dumb.wait(), 0)
        self.assertNotIn("\x1b", dumb.seen)

    def test_closed_standard_input(self):
        process = start("chat", "-m", self.model)
        process.stdin.close()
        self.assertEqual(process.wait(60), 0)
        process.stdout.close()
        process.stderr.close()
        self.assertEqual(call("chat", "-m", self.model, input=None, stdin=None,
                              preexec_fn=lambda: __import__("os").close(0))[0], 0)


if __name__ == "__main__":
    unittest.main()
