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

// token matches the line with the token in the output of pfctl -E.
var token = regexp.MustCompile(`(?m)^Token : (\d+)\s*$`)

// runner runs commands by exec, which tests replace.
type runner struct {
	exec func(ctx context.Context, input string, args ...string) (output []byte, err error)
	root string // prefix of the paths of SaveTo and TokenFile
}

// untilError runs commands up to the first that fails.
func (r *runner) untilError(ctx context.Context, commands []Command) error {
	for _, c := range commands {
		if err := r.run(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// all runs all commands and joins their errors.
func (r *runner) all(ctx context.Context, commands []Command) error {
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
	if c.SaveTo != "" {
		if _, err := os.Stat(r.root + c.SaveTo); err == nil {
			return nil
		}
	}
	if c.TokenFile != "" {
		saved, err := os.ReadFile(r.root + c.TokenFile)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		found := token.FindSubmatch(saved)
		if found == nil {
			return fmt.Errorf("%s: no token of pfctl -E; remove the file, and pf stays enabled", c.TokenFile)
		}
		args = append(slices.Clip(args), string(found[1]))
	}
	output, err := r.exec(ctx, c.Input, args...)
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(output))
	}
	if c.SaveTo != "" {
		if !token.Match(output) {
			return fmt.Errorf("%s: no token in the output: %s", strings.Join(args, " "), bytes.TrimSpace(output))
		}
		return os.WriteFile(r.root+c.SaveTo, output, 0o600)
	}
	if c.TokenFile != "" {
		return os.Remove(r.root + c.TokenFile)
	}
	return nil
}
