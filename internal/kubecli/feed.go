package kubecli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/cluster"
	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/manifest"
	"mock-ec2-metadata/internal/relay"
	"mock-ec2-metadata/internal/sts"
	"mock-ec2-metadata/internal/terminal"
)

// upOptions are those of up, with the feed if keys stay on this machine.
func (pl *plan) upOptions(p *Program, cmd *cobra.Command) cluster.UpOptions {
	var opt cluster.UpOptions
	if pl.manifest.Credentials == manifest.Relay {
		opt.Feed = func(ctx context.Context, s *cluster.Streams) error { return p.feed(ctx, cmd, pl, s) }
	}
	return opt
}

// feed gives the daemons credentials until ctx is done.
func (p *Program) feed(ctx context.Context, cmd *cobra.Command, pl *plan, s *cluster.Streams) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelError}))
	codes := &codeDesk{wanted: make(chan struct{}, 1)}
	opt := sts.Options{Log: log}.WithDefaults()
	pool := credentials.NewPool(credentials.PoolOptions{
		Provide:  func(s credentials.Spec) credentials.Provider { return sts.NewProvider(s, opt) },
		NeedsMFA: codes.want, Log: log,
	})
	pool.Start(ctx)
	defer pool.Close()
	codes.pool = pool
	if terminal.Attached() {
		go terminal.NewPrompt(os.Stdin, cmd.ErrOrStderr()).Serve(ctx, codes.wanted, codes)
	}
	grants := app.NewGrants(pl.loaded)
	feeder := relay.NewFeeder(relay.FeederOptions{
		Nodes: func(ctx context.Context) ([]relay.Node, error) {
			daemons, err := s.Daemons(ctx)
			nodes := make([]relay.Node, len(daemons))
			for i, d := range daemons {
				nodes[i] = relay.Node{Name: d.Node, Pod: d.Pod}
			}
			return nodes, err
		},
		Dial: func(ctx context.Context, n relay.Node) (io.ReadWriteCloser, error) {
			return s.Dial(ctx, cluster.Daemon{Node: n.Name, Pod: n.Pod})
		},
		Issuer: relay.Issuer{
			Decide: func(w relay.Wish) (credentials.Spec, error) { return grants.Spec(&w.Subject, w.SessionName) },
			Pool:   pool,
		},
		Version: p.version,
		Report:  func(e relay.Event) { fmt.Fprintln(cmd.OutOrStdout(), e) },
		Now:     time.Now,
	})
	codes.mu.Lock()
	codes.feeder = feeder
	codes.mu.Unlock()
	return feeder.Run(ctx)
}

// codeDesk takes MFA codes for the calls of this machine. It is a terminal.Asker.
type codeDesk struct {
	wanted chan struct{} // holds one
	pool   *credentials.Pool

	mu     sync.Mutex // guards the fields below
	feeder *relay.Feeder
	last   *credentials.Keeper // that wanted a code last
}

// want is called when a keeper needs a code.
func (d *codeDesk) want(k *credentials.Keeper, _ *credentials.NeedsMFA) {
	d.mu.Lock()
	d.last = k
	d.mu.Unlock()
	select {
	case d.wanted <- struct{}{}:
	default:
	}
}

func (d *codeDesk) keeper() *credentials.Keeper {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}

// MFASerial is the device whose code is wanted; "" when none is.
func (d *codeDesk) MFASerial() string {
	k := d.keeper()
	if k == nil {
		return ""
	}
	return k.State().MFASerial
}

// AnswerMFA makes the call that waits with the code that was typed.
func (d *codeDesk) AnswerMFA(ctx context.Context, typed string) (string, error) {
	k, code := d.keeper(), strings.TrimSpace(typed)
	if k == nil {
		return "", errors.New("no MFA code is wanted now")
	}
	if err := credentials.CheckMFACode(code); err != nil {
		return "", err
	}
	if err := k.Answer(ctx, code); err != nil {
		return "", err
	}
	d.pool.Retry()
	d.mu.Lock()
	feeder := d.feeder
	d.mu.Unlock()
	if feeder != nil {
		feeder.Retry()
	}
	return "credentials of " + k.State().ARN, nil
}
