package app

import (
	"context"
	"errors"
	"sync"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

// otherConfig edits inputs: another role, other rules, another level of the log.
func otherConfig(t *testing.T, more ...string) func(*Inputs) error {
	t.Helper()
	loaded := load(t, "", append(more, "log.level=error", "credentials.iam_role=arn:aws:iam::123456789012:role/other", "server.allow_clients=[]")...)
	return func(in *Inputs) error {
		in.Config = loaded
		return nil
	}
}

func TestChange_SwapsTheWholeState(t *testing.T) {
	testutil.IsolateHome(t)
	d := start(t)
	before := d.State()
	if err := d.change(otherConfig(t)); err != nil {
		t.Fatal(err)
	}
	after := d.State()
	if after == before || after.Instance.Role != "other" || after.Keeper == before.Keeper || after.Rules.Auto || d.opt.Level.Level() != after.Level {
		t.Errorf("the state is not the new one: %+v", after)
	}
	if before.Instance.Role != "mock-role" || !before.Rules.Auto {
		t.Error("the old state was changed")
	}
}

func TestChange_ErrorKeepsOldState(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(t *testing.T) func(*Inputs) error
		want string
	}{
		{
			name: "of the edit",
			edit: func(*testing.T) func(*Inputs) error {
				return func(in *Inputs) error {
					in.Config = nil
					return errors.New("no edit")
				}
			},
			want: "no edit",
		},
		{
			name: "of the instance",
			edit: func(t *testing.T) func(*Inputs) error {
				return otherConfig(t, "ec2.subnet_id=subnet-a", "ec2.network_interfaces=[{subnet_id: subnet-a, local_ipv4s: [10.0.99.5]}]")
			},
			want: "--set ec2.network_interfaces[0]: address 10.0.99.5 is not in its subnet 10.0.0.0/20",
		},
		{
			name: "of the tree",
			edit: func(t *testing.T) func(*Inputs) error {
				return otherConfig(t, "metadata.meta-data/instance-id/x=y")
			},
			want: "--set metadata.meta-data/instance-id/x: meta-data/instance-id is a value, not a directory; remove it first with null",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testutil.IsolateHome(t)
			d := start(t)
			d.Settle(t.Context())
			before, inputs, level := d.State(), d.State().Inputs, d.opt.Level.Level()
			_, document := d.get(t, "latest/meta-data/iam/security-credentials/mock-role")
			err := d.change(tt.edit(t))
			if err == nil || err.Error() != tt.want {
				t.Errorf("error %v, want %s", err, tt.want)
			}
			if d.State() != before || d.State().Config != inputs.Config || d.State().Identity != inputs.Identity {
				t.Error("the state is another one")
			}
			if got := d.opt.Level.Level(); got != level {
				t.Errorf("the log's level became %v", got)
			}
			if _, again := d.get(t, "latest/meta-data/iam/security-credentials/mock-role"); again != document {
				t.Errorf("the credentials became %s", again)
			}
			if got := goroutines("credentials.(*Keeper).Run"); got != 1 {
				t.Errorf("%d keepers run, want the one of before", got)
			}
		})
	}
}

func TestChange_IsRefusedUnlessTheDaemonRuns(t *testing.T) {
	testutil.IsolateHome(t)
	refused := func(t *testing.T, a *App) {
		t.Helper()
		before := a.State()
		edited := false
		for what, err := range map[string]error{
			"change": a.change(func(*Inputs) error { edited = true; return nil }),
			"reload": a.Reload("the test"),
		} {
			if !errors.Is(err, errNotRunning) || err.Error() != "the daemon does not run" {
				t.Errorf("%s: error %v", what, err)
			}
		}
		if edited || a.State() != before || a.reloadError() != nil {
			t.Errorf("edited: %v, another state: %v, reload error: %v", edited, a.State() != before, a.reloadError())
		}
	}
	t.Run("before Run", func(t *testing.T) {
		a, err := New(t.Context(), options(load(t, "")))
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		refused(t, a)
	})
	t.Run("after Run", func(t *testing.T) {
		d := start(t)
		if err := d.stop(); err != nil {
			t.Fatal(err)
		}
		refused(t, d.App)
	})
}

// TestReload_WhileStoppingEndsCleanly reloads without a pause from several goroutines while the daemon stops.
func TestReload_WhileStoppingEndsCleanly(t *testing.T) {
	testutil.IsolateHome(t)
	before := idle(t)
	d := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	var reloading sync.WaitGroup
	for range 4 {
		reloading.Go(func() {
			for ctx.Err() == nil {
				if err := d.Reload("the test"); err != nil && !errors.Is(err, errNotRunning) {
					t.Error(err)
				}
			}
		})
	}
	d.wantLog(t, `"msg":"configuration reloaded"`)
	if err := d.stop(); err != nil {
		t.Error(err)
	}
	cancel()
	reloading.Wait()
	if got := goroutines("credentials.(*Keeper).Run"); got != 0 {
		t.Errorf("%d keepers run", got)
	}
	wantUsed(t, before)
}
