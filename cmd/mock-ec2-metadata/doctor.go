package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/credentials"
)

// doctorTimeout bounds the whole walk. What calls STS, or runs what the profile names, has checkTimeout of it.
const doctorTimeout = 45 * time.Second

func newDoctor(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Find out what keeps clients from their credentials; run this first when something fails",
		Long: `doctor walks the whole way that credentials take, with the same configuration and flags as the daemon, and prints a line for
each step: the configuration, the profile, the credentials that it gives, whose they are, the role, the clock, the running daemon,
who can reach it, and whether 169.254.169.254 (or AWS_EC2_METADATA_SERVICE_ENDPOINT) leads there.

  ok    all is well
  note  works, but you should know
  FAIL  what is wrong, and what mends it
  skip  not tried, because of an earlier step

It changes nothing and prints no secret. It takes 45 seconds at most, and exits 1 if any step fails.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := &doctor{
				flags: f, out: cmd.OutOrStdout(), log: slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)), now: time.Now,
				service: serviceOf(f.environ),
			}
			return d.walk(cmd.Context())
		},
	}
}

// doctor is one walk and what its steps have found for later ones.
type doctor struct {
	flags   *flags
	out     io.Writer
	log     *slog.Logger
	now     func() time.Time
	service service

	loaded   *config.Loaded // nil: the configuration is wrong
	profile  *credentials.Profile
	identity credentials.Identity
	skew     time.Duration // of this machine's clock: ahead of STS's if positive
	found    string        // address where the daemon listens, or should
	daemon   *status       // nil: none has answered
}

// mark is how a step has ended.
type mark string

const (
	okMark   mark = "ok"
	noteMark mark = "note"
	skipMark mark = "skip"
	failMark mark = "FAIL"
)

// finding is what a step says, a line for each line of text.
type finding struct {
	mark mark
	text string
	// blocks says why what needs this step cannot be tried; "" lets it go on.
	blocks string
}

func failure(err error) finding { return finding{mark: failMark, text: err.Error()} }

// step examines one thing, within a time since the start, unless the step that it needs blocks it.
type step struct {
	name, needs string
	within      time.Duration
	examine     func(context.Context) finding
}

func (d *doctor) steps() []step {
	return []step{
		{"configuration", "", checkTimeout, d.examineConfiguration},
		{"profile", "configuration", checkTimeout, d.examineProfile},
		{"credentials", "profile", checkTimeout, d.examineCredentials},
		{"identity", "credentials", checkTimeout, d.examineIdentity},
		{"role", "identity", checkTimeout, d.examineRole},
		{"clock", "identity", checkTimeout, d.examineClock},
		{"listener", "", doctorTimeout, d.examineListener},
		{"guard", "configuration", doctorTimeout, d.examineGuard},
		{"redirect", "", doctorTimeout, d.examineRedirect},
	}
}

// walk prints what each step finds, and fails if one does.
func (d *doctor) walk(ctx context.Context) error {
	start := time.Now()
	steps, failed := d.steps(), 0
	blocked := map[string]string{} // step → why those that need it are not tried
	for _, s := range steps {
		f := finding{mark: skipMark, text: "not tried: " + blocked[s.needs], blocks: blocked[s.needs]}
		if f.blocks == "" {
			stepCtx, cancel := context.WithDeadline(ctx, start.Add(s.within))
			f = s.examine(stepCtx)
			cancel()
		}
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		if f.mark == failMark {
			failed++
			f.blocks = s.name + " failed"
		}
		blocked[s.name] = f.blocks
		for line := range strings.Lines(f.text) {
			fmt.Fprintf(d.out, "%-4s  %-13s  %s\n", f.mark, s.name, printable(line))
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d steps failed; each says what to do", failed, len(steps))
	}
	return nil
}

// printable is a line for a terminal: some of it may have come over the network.
func printable(line string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.TrimSpace(line))
}

func (d *doctor) examineConfiguration(ctx context.Context) finding {
	loaded, err := config.Load(d.flags.sources())
	if err != nil {
		return failure(err)
	}
	d.loaded = loaded
	if err := leaveRoot(ctx, loaded, slog.New(slog.DiscardHandler)); err != nil {
		return failure(err)
	}
	if _, err := verify(loaded); err != nil {
		return failure(err)
	}
	if len(loaded.Warnings) > 0 {
		return finding{mark: noteMark, text: loaded.Name() + "\n" + strings.Join(loaded.Warnings, "\n")}
	}
	return finding{mark: okMark, text: loaded.Name()}
}
