package route

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
)

// token is in the line that pfctl -E prints.
var token = regexp.MustCompile(`(?m)^Token : (\d+)\s*$`)

// runner runs commands, in tests none that is real.
type runner struct {
	exec func(ctx context.Context, input string, args ...string) (output []byte, err error)
	root string // of the files that Keep and Token name
}

// all runs commands up to the first that fails.
func (r *runner) all(ctx context.Context, commands []Command) error {
	for _, c := range commands {
		if err := r.run(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// each runs all commands, whichever fail.
func (r *runner) each(ctx context.Context, commands []Command) error {
	var errs []error
	for _, c := range commands {
		if err := r.run(ctx, c); err != nil && !c.MayFail {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (r *runner) run(ctx context.Context, c Command) error {
	args := c.Args
	if c.Keep != "" {
		if _, err := os.Stat(r.root + c.Keep); err == nil {
			return nil
		}
	}
	if c.Token != "" {
		kept, err := os.ReadFile(r.root + c.Token)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		found := token.FindSubmatch(kept)
		if found == nil {
			return fmt.Errorf("there is no token of pfctl -E in %s; remove that file, and pf stays on", c.Token)
		}
		args = append(slices.Clip(args), string(found[1]))
	}
	output, err := r.exec(ctx, c.Input, args...)
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(output))
	}
	if c.Keep != "" {
		if !token.Match(output) {
			return fmt.Errorf("%s gives no token: %s", strings.Join(args, " "), bytes.TrimSpace(output))
		}
		return os.WriteFile(r.root+c.Keep, output, 0o600)
	}
	if c.Token != "" {
		return os.Remove(r.root + c.Token)
	}
	return nil
}
