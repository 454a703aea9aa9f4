// Package doctor walks the whole way that credentials take, from the profile to 169.254.169.254, and says what is wrong at
// each step. It changes nothing.
package doctor

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"time"
	"unicode"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/sts"
)

// Limits of a walk, from its start.
const (
	walkTimeout = 45 * time.Second
	// callTimeout bounds the steps that call AWS, or run what the profile names.
	callTimeout = 30 * time.Second
	// filterTimeout bounds all programs that list packet filters.
	filterTimeout = 8 * time.Second
)

// Options say which daemon is examined.
type Options struct {
	Sources config.Sources
	// Listen are the addresses of --listen.
	Listen []string
	// LeaveRoot becomes the user that the daemon would run as; may be nil.
	LeaveRoot func(context.Context, *config.Loaded) error
	Log       *slog.Logger
	Now       func() time.Time
}

// Mark is the result of a step.
type Mark string

// Values of Mark.
const (
	OK   Mark = "ok"
	Note Mark = "note" // works, but the user should know
	Skip Mark = "skip" // not tried, because of an earlier step
	Fail Mark = "FAIL"
)

// Finding is what a step says, in one line or several.
type Finding struct {
	Mark Mark
	Text string
	// blocks says why the steps that need this one cannot be tried; "" lets them go on.
	blocks string
	// also is reported after this; nil without.
	also *Finding
}

// Lines are the lines of the text, safe for a terminal: some of it may have come over the network.
func (f Finding) Lines() []string {
	var lines []string
	for line := range strings.Lines(f.Text) {
		lines = append(lines, strings.Map(func(r rune) rune {
			if !unicode.IsPrint(r) {
				return ' '
			}
			return r
		}, strings.TrimSpace(line)))
	}
	return lines
}

func failure(err error) Finding { return Finding{Mark: Fail, Text: err.Error()} }

// doctor is one walk, and what its steps found for later ones.
type doctor struct {
	opt     Options
	service service
	machine machine

	filters  *filters       // nil: not Linux
	hardware *hardware      // nil: not Linux
	loaded   *config.Loaded // nil: the configuration is wrong
	profile  *sts.Profile
	identity sts.Identity
	skew     time.Duration // of this machine's clock: ahead of STS's if positive
	found    string        // address where the daemon listens, or should
	daemon   *api.Status   // nil: none has answered

	simulation *simulation // nil: none
}

// step examines one thing, unless the step that it needs blocks it. within is its limit, from the start of the walk.
type step struct {
	name, needs string
	within      time.Duration
	examine     func(context.Context) Finding
	// wanted says whether the configuration has anything to examine, once it is loaded; nil: always.
	wanted func() bool
}

func (s step) isWanted() bool { return s.wanted == nil || s.wanted() }

// count is the number of steps that are wanted.
func count(all []step) (n int) {
	for _, s := range all {
		if s.isWanted() {
			n++
		}
	}
	return n
}

func (d *doctor) steps() []step {
	return []step{
		{name: "simulation", within: callTimeout, examine: d.examineSimulation, wanted: d.isSimulating},
		{name: "configuration", within: callTimeout, examine: d.examineConfiguration},
		{name: "profile", needs: "configuration", within: callTimeout, examine: d.examineProfile},
		{name: "credentials", needs: "profile", within: callTimeout, examine: d.examineCredentials},
		{name: "identity", needs: "credentials", within: callTimeout, examine: d.examineIdentity},
		{name: "role", needs: "identity", within: callTimeout, examine: d.examineRole},
		{name: "roles", needs: "configuration", within: callTimeout, examine: d.examineRoles, wanted: d.hasRoles},
		{name: "clock", needs: "identity", within: callTimeout, examine: d.examineClock},
		{name: "containers", needs: "configuration", within: walkTimeout, examine: d.examineContainers, wanted: d.hasEngine},
		{name: "listener", within: walkTimeout, examine: d.examineListener},
		{name: "guard", needs: "configuration", within: walkTimeout, examine: d.examineGuard},
		{name: "redirect", within: walkTimeout, examine: d.examineRedirect},
		{name: "firewall", within: walkTimeout, examine: d.examineFirewall},
		{name: "environment", within: walkTimeout, examine: d.examineEnvironment},
		{name: "hardware", within: walkTimeout, examine: d.examineHardware},
	}
}

// Run reports what each step finds, as soon as it has. It returns how many steps failed, and how many there are. Its error
// is that ctx was done.
func Run(ctx context.Context, opt Options, report func(step string, f Finding)) (failed, steps int, err error) {
	d := &doctor{opt: opt, service: serviceOf(opt.Sources.Environ), machine: thisMachine(opt.Log)}
	return d.run(ctx, report)
}

// run does all of Run. Tests give it another service and another machine.
func (d *doctor) run(ctx context.Context, report func(step string, f Finding)) (failed, steps int, err error) {
	start := time.Now()
	if runtime.GOOS == "linux" {
		d.look(ctx)
	}
	d.findSimulation(ctx)
	all := d.steps()
	blocked := map[string]string{} // step -> why the steps that need it are not tried
	for _, s := range all {
		if !s.isWanted() {
			continue
		}
		f := Finding{Mark: Skip, Text: "not tried: " + blocked[s.needs], blocks: blocked[s.needs]}
		if f.blocks == "" {
			stepCtx, cancel := context.WithDeadline(ctx, start.Add(s.within))
			f = s.examine(stepCtx)
			cancel()
		}
		if ctx.Err() != nil {
			return failed, count(all), errors.New("interrupted")
		}
		if f.Mark == Fail {
			failed++
			f.blocks = s.name + " failed"
		}
		blocked[s.name] = f.blocks
		report(s.name, f)
		for also := f.also; also != nil; also = also.also {
			report(s.name, *also)
		}
	}
	return failed, count(all), nil
}

// look reads what only root can read. The first step leaves root.
func (d *doctor) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, filterTimeout)
	defer cancel()
	d.filters = d.machine.filters(ctx)
	h := d.machine.hardware()
	d.hardware = &h
}

func (d *doctor) examineConfiguration(ctx context.Context) Finding {
	loaded, err := config.Load(d.opt.Sources)
	if err != nil {
		return failure(err)
	}
	d.loaded = loaded
	if d.opt.LeaveRoot != nil {
		if err := d.opt.LeaveRoot(ctx, loaded); err != nil {
			return failure(err)
		}
	}
	if _, err := app.Check(loaded); err != nil {
		return failure(err)
	}
	if len(loaded.Warnings) > 0 {
		return Finding{Mark: Note, Text: loaded.Name() + "\n" + strings.Join(loaded.Warnings, "\n")}
	}
	return Finding{Mark: OK, Text: loaded.Name()}
}
