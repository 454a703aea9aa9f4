package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"sync"
)

// onTerminal says whether there is somebody to ask.
func onTerminal() bool { return interactive(os.Stdin) && interactive(os.Stderr) }

// prompt asks for MFA codes on a terminal. One goroutine reads, when asked to, for as long as the process lives: what waits for
// a terminal cannot be told to stop.
type prompt struct {
	in   io.Reader
	out  io.Writer
	once sync.Once

	wanted chan struct{} // has room for one
	lines  chan string
}

// newPrompt asks on in and out, which are one terminal.
func newPrompt(in io.Reader, out io.Writer) *prompt {
	return &prompt{in: in, out: out, wanted: make(chan struct{}, 1), lines: make(chan string)}
}

// ask reads one line; ok is false when there is no more, or ctx is done.
func (p *prompt) ask(ctx context.Context, serial string) (line string, ok bool) {
	p.once.Do(func() { go p.read() })
	fmt.Fprintf(p.out, "MFA code of %s: ", serial)
	select {
	case p.wanted <- struct{}{}:
	default: // one that nobody has waited for
	}
	select {
	case line, ok = <-p.lines:
		return line, ok
	case <-ctx.Done():
		return "", false
	}
}

func (p *prompt) read() {
	defer close(p.lines)
	in := bufio.NewScanner(p.in)
	for range p.wanted {
		if !in.Scan() {
			return
		}
		p.lines <- in.Text()
	}
}

// serve asks, at each call, for codes of the device that waiting names, and gives them to give.
func (p *prompt) serve(ctx context.Context, calls <-chan struct{}, waiting func() string, give func(ctx context.Context, code string) (string, error)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-calls:
		}
		if !p.answer(ctx, waiting, give) {
			return
		}
	}
}

// answer asks for codes until waiting names no device, and says whether there may be more.
func (p *prompt) answer(ctx context.Context, waiting func() string, give func(ctx context.Context, code string) (string, error)) bool {
	for serial := waiting(); serial != ""; serial = waiting() {
		code, ok := p.ask(ctx, serial)
		if !ok {
			return false
		}
		call, cancel := context.WithTimeout(ctx, codeTimeout)
		got, err := give(call, code)
		cancel()
		if err != nil {
			got = err.Error()
		}
		fmt.Fprintln(p.out, got)
	}
	return true
}
