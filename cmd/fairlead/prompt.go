package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"fairlead.dev/fairlead"
)

// maxSecret is the greatest size of a secret that is read, in bytes.
const maxSecret = 1 << 20

// readSecret reads a secret from a file, or from standard input if its name is "-". A
// line break at its end isn't part of it.
func (a *app) readSecret(file, what string) (fairlead.Secret, error) {
	in, name := a.in, "standard input"
	if file != "-" {
		f, err := os.Open(file) //nolint:gosec // The user names the file.
		if err != nil {
			return fairlead.Secret{}, readError(what, file, err)
		}
		defer func() { _ = f.Close() }()
		in, name = f, file
	} else if a.inTerminal {
		return a.askSecret(what)
	}
	b, err := io.ReadAll(io.LimitReader(in, maxSecret+1))
	switch {
	case err != nil:
		return fairlead.Secret{}, readError(what, name, err)
	case len(b) > maxSecret:
		return fairlead.Secret{}, readError(what, name, errors.New("it is longer than 1 MiB"))
	}
	s := fairlead.SecretText(strings.TrimRight(string(b), "\r\n"))
	if s.IsZero() {
		return s, readError(what, name, errors.New("it is empty"))
	}
	return s, nil
}

func readError(what, from string, err error) error {
	return &fairlead.Error{
		Kind: fairlead.Invalid, Field: what, What: fmt.Sprintf("reading %s from %s", what, from), Why: reason(err),
		Remedy: "name a file that holds it, or - for standard input",
	}
}

// askSecret asks for a secret at the terminal, without showing it.
func (a *app) askSecret(prompt string) (fairlead.Secret, error) {
	f, ok := a.in.(*os.File)
	if !ok || !a.inTerminal {
		return fairlead.Secret{}, &fairlead.Error{
			Kind: fairlead.Invalid, Field: prompt, What: "asking for " + prompt, Why: "nobody is at a terminal", Remedy: "give it with a file, or - for standard input",
		}
	}
	show, err := hide(f)
	if err != nil {
		return fairlead.Secret{}, askError(prompt, err)
	}
	_, _ = fmt.Fprintf(a.err, "%s: ", prompt)
	b, err := a.answer(a.readLine)
	_, _ = fmt.Fprintln(a.err)
	if err = errors.Join(err, show()); err != nil {
		return fairlead.Secret{}, askError(prompt, err)
	}
	return fairlead.NewSecret(bytes.TrimRight(b, "\r\n")), nil
}

// readLine reads a line of the terminal, with its end.
func (a *app) readLine() ([]byte, error) {
	return bufio.NewReaderSize(oneByte{a.in}, 1).ReadBytes('\n')
}

// hide stops the terminal from showing what is typed; what it gives undoes it. It comes
// before the prompt: whoever types or pastes as soon as the prompt is there would be
// shown otherwise. Nothing but it touches the terminal, so that who is interrupted gets
// it back as it was (x/term's ReadPassword may hide again what was shown already).
func hide(terminal *os.File) (show func() error, err error) {
	fd := int(terminal.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, err
	}
	hidden := *before
	hidden.Lflag &^= unix.ECHO
	hidden.Lflag |= unix.ICANON | unix.ISIG
	hidden.Iflag |= unix.ICRNL
	return func() error { return unix.IoctlSetTermios(fd, unix.TCSETS, before) }, unix.IoctlSetTermios(fd, unix.TCSETS, &hidden)
}

var errInterrupted = errors.New("it was interrupted")

// answer waits for what read gives, until the user wants out. A read of a terminal
// can't be ended, but the process will be.
func (a *app) answer(read func() ([]byte, error)) ([]byte, error) {
	type answer struct {
		text []byte
		err  error
	}
	given := make(chan answer, 1)
	go func() {
		text, err := read()
		given <- answer{text, err}
	}()
	select {
	case g := <-given:
		return g.text, g.err
	case <-a.interrupted:
		return nil, errInterrupted
	}
}

func askError(prompt string, err error) error {
	return &fairlead.Error{Kind: fairlead.Invalid, What: "asking for " + prompt, Why: reason(err), Remedy: "try again"}
}

// ask asks for a line at the terminal; an empty answer takes the proposal.
func (a *app) ask(prompt, proposal string) (string, error) {
	if !a.inTerminal {
		return proposal, nil
	}
	if proposal != "" {
		prompt += " [" + proposal + "]"
	}
	_, _ = fmt.Fprintf(a.err, "%s: ", prompt)
	b, err := a.answer(a.readLine)
	if err != nil && !errors.Is(err, io.EOF) {
		_, _ = fmt.Fprintln(a.err)
		return "", askError(prompt, err)
	}
	if line := strings.TrimSpace(string(b)); line != "" {
		return line, nil
	}
	return proposal, nil
}

// oneByte reads a byte at a time, so that nothing behind the line is taken from who
// reads next.
type oneByte struct{ io.Reader }

func (o oneByte) Read(b []byte) (int, error) {
	if len(b) > 1 {
		b = b[:1]
	}
	return o.Reader.Read(b)
}

// confirm asks whether to do something; without a terminal nobody can say yes.
func (a *app) confirm(question string, yes bool) error {
	if yes {
		return nil
	}
	if !a.inTerminal {
		return usage("%s: nobody is at a terminal to confirm it; give --yes", question)
	}
	answer, err := a.ask(question+" (yes/no)", "no")
	if err != nil {
		return err
	}
	if answer != "yes" && answer != "y" {
		return &fairlead.Error{Kind: fairlead.Invalid, What: question, Why: "it wasn't confirmed", Remedy: "answer yes, or give --yes"}
	}
	return nil
}

// confirmTyped has a person type the name of what can't be brought back.
func (a *app) confirmTyped(what, name string, yes bool) error {
	if yes {
		return nil
	}
	if !a.inTerminal {
		return usage("%s: nobody is at a terminal to confirm it; give --yes", what)
	}
	answer, err := a.ask(what+": it can't be brought back. Type "+name+" to confirm", "")
	if err != nil {
		return err
	}
	if answer != name {
		return &fairlead.Error{Kind: fairlead.Invalid, What: what, Why: "it wasn't confirmed", Remedy: "type the address exactly, or give --yes"}
	}
	return nil
}

// newPassword asks for a new password twice, or reads it from a file.
func (a *app) newPassword(file string) (fairlead.Secret, error) {
	if file != "" {
		return a.readSecret(file, "password")
	}
	first, err := a.askSecret("New password")
	if err != nil {
		return first, err
	}
	again, err := a.askSecret("New password again")
	if err != nil {
		return again, err
	}
	if !first.Equal(again) {
		return first, &fairlead.Error{Kind: fairlead.Invalid, Field: "password", What: "setting password", Why: "the two are not the same", Remedy: "try again"}
	}
	return first, nil
}

// reason is a system error's own reason.
func reason(err error) string {
	if p, ok := errors.AsType[*os.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}
