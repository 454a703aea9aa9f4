package app

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/control"
	"mock-ec2-metadata/internal/testutil"
)

// withControl gives a daemon a control socket in a directory.
func withControl(opt Options, dir string) Options {
	opt.Control = func(a *App) (Control, error) {
		_, port, err := net.SplitHostPort(a.Addrs()[0].String())
		if err != nil {
			return nil, err
		}
		return control.Listen(control.Auto, dir, port, a, opt.Log)
	}
	return opt
}

func TestRun_TwoDaemonsDoNotShareState(t *testing.T) {
	home := testutil.IsolateHome(t)
	sockets := filepath.Join(home, "run")
	before := idle(t)
	var daemons []*daemon
	lives := []string{"20m", "40m"} // by which the credentials differ
	for i, name := range []string{"one", "two"} {
		file := testutil.Write(t, name+".yaml", "credentials: {mock: true, iam_role: 'arn:aws:iam::123456789012:role/"+name+"', duration: "+lives[i]+"}\n"+
			"ec2: {instance_id: i-"+name+", hostname: before}\nidentity: {state_dir: "+filepath.Join(home, name)+"}\n")
		daemons = append(daemons, startWith(t, withControl(options(load(t, file)), sockets)))
	}
	one, two := daemons[0], daemons[1]
	var documents []string
	for i, d := range daemons {
		name := []string{"one", "two"}[i]
		s := d.status(t)
		if s.InstanceID != "i-"+name || s.Role != name || s.Config.File != name+".yaml" {
			t.Errorf("%s: %+v", name, s)
		}
		code, body := d.get(t, "latest/meta-data/iam/security-credentials/"+name)
		if code != http.StatusOK || !strings.Contains(body, `"Code" : "Success"`) {
			t.Errorf("%s: %d %s", name, code, body)
		}
		documents = append(documents, body)
		if s.Control == nil || filepath.Dir(s.Control.Socket) != sockets {
			t.Errorf("%s: control %+v", name, s.Control)
		}
		if controlled, err := control.NewClient(s.Control.Socket).Status(t.Context()); err != nil || controlled.InstanceID != "i-"+name {
			t.Errorf("%s: by its control socket: %+v, %v", name, controlled, err)
		}
	}
	if documents[0] == documents[1] {
		t.Error("both hand out the same credentials")
	}

	untouched := two.State()
	testutil.Write(t, "one.yaml", "credentials: {mock: true, iam_role: 'arn:aws:iam::123456789012:role/one', duration: 20m}\n"+
		"ec2: {instance_id: i-one, hostname: after}\n")
	testutil.Eventually(t, "the first one reloads", func() bool { return one.hostname(t) == "after" })
	if two.State() != untouched || two.hostname(t) != "before" || two.log.Contains("reloaded") {
		t.Errorf("the second one reloaded too:\n%s", two.log)
	}

	if err := one.stop(); err != nil {
		t.Error(err)
	}
	if got := two.hostname(t); got != "before" {
		t.Errorf("after the end of the first one, the second one has hostname %q", got)
	}
	if entries, err := os.ReadDir(sockets); err != nil || len(entries) != 1 {
		t.Errorf("sockets %v, %v; want the second one's", entries, err)
	}
	if err := two.stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(sockets); !os.IsNotExist(err) {
		t.Errorf("the directory of the sockets is left: %v", err)
	}
	wantUsed(t, before)
}

// TestNew_StartsNothing gives an App up that has not run.
func TestNew_StartsNothing(t *testing.T) {
	home := testutil.IsolateHome(t)
	before := idle(t)
	opt := withControl(options(load(t, "")), filepath.Join(home, "run"))
	a, err := New(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	if now := used(); now.goroutines > before.goroutines {
		t.Errorf("%d goroutines before, %d after", before.goroutines, now.goroutines)
	}
	address := a.Addrs()[0].String()
	a.Close()
	bindAgain(t, address)
	if entries, err := os.ReadDir(home); err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	wantUsed(t, before)
}

// bindAgain fails unless an address is free.
func bindAgain(t *testing.T, address string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Errorf("%s is not free: %v", address, err)
		return
	}
	_ = l.Close()
}

func TestNew_ErrorLeavesNothing(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	broken := errors.New("broken")
	for _, tt := range []struct {
		name   string
		set    []string
		change func(t *testing.T, opt *Options)
		want   string
	}{
		{
			name:   "second address in use",
			change: func(_ *testing.T, opt *Options) { opt.Listen = append(opt.Listen, taken.Addr().String()) },
			want: "cannot listen on " + taken.Addr().String() +
				": the port is in use; stop what uses it (perhaps another mock-ec2-metadata), or choose another address with --listen",
		},
		{
			name: "AfterBind",
			change: func(t *testing.T, opt *Options) {
				opt.AfterBind = func(context.Context) error {
					if _, err := net.Listen("tcp", opt.Listen[0]); err == nil {
						t.Error("it runs before the address is bound")
					}
					return broken
				}
			},
			want: "broken",
		},
		{
			name: "instance",
			set:  []string{"ec2.subnet_id=subnet-a", "ec2.network_interfaces=[{subnet_id: subnet-a, local_ipv4s: [10.0.99.5]}]"},
			want: "--set ec2.network_interfaces[0]: address 10.0.99.5 is not in its subnet 10.0.0.0/20",
		},
		{
			name: "tree", set: []string{"metadata.meta-data/instance-id/x=y"},
			want: "--set metadata.meta-data/instance-id/x: meta-data/instance-id is a value, not a directory; remove it first with null",
		},
		{
			name: "identity file", set: []string{"identity.key_file=key.pem", "identity.cert_file=cert.pem"},
			want: "--set identity.key_file: {HOME}/key.pem does not exist",
		},
		{
			name: "control socket",
			change: func(_ *testing.T, opt *Options) {
				opt.Control = func(*App) (Control, error) { return nil, broken }
			},
			want: "broken",
		},
		{
			name: "control socket in use",
			change: func(t *testing.T, opt *Options) {
				// In a directory of its own, which stays.
				other, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = other.Close() })
				opt.Control = func(a *App) (Control, error) {
					s, err := control.Listen(other.Addr().String(), "", "", a, opt.Log)
					if err != nil {
						return nil, err
					}
					return s, nil
				}
			},
			want: "is in use by another mock-ec2-metadata; stop that, or set server.control to another path or off",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			home := testutil.IsolateHome(t)
			opt := options(load(t, "", tt.set...))
			opt.Listen = []string{testutil.FreeAddr(t)}
			if tt.change != nil {
				tt.change(t, &opt)
			}
			free := opt.Listen[0]
			inherited, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			before := idle(t)
			opt.Listeners = []net.Listener{inherited}
			a, err := New(t.Context(), opt)
			if err == nil {
				a.Close()
				t.Fatal("no error")
			}
			if want := strings.ReplaceAll(tt.want, "{HOME}", home); !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want %s", err, want)
			}
			bindAgain(t, free)
			bindAgain(t, inherited.Addr().String()) // New closes what it was given, too
			if entries, err := os.ReadDir(home); err != nil || len(entries) > 0 {
				t.Errorf("left behind: %v, %v", entries, err)
			}
			if now := used(); now.goroutines > before.goroutines || len(now.files) > len(before.files)-1 {
				t.Errorf("before %+v\nafter %+v", before, now)
			}
		})
	}
}

// TestNew_BindsInOrder has all three kinds of addresses.
func TestNew_BindsInOrder(t *testing.T) {
	testutil.IsolateHome(t)
	configured, listen := testutil.FreeAddr(t), testutil.FreeAddr(t)
	for _, tt := range []struct {
		name          string
		withoutListen bool
	}{{"with server.listen", false}, {"without server.listen", true}} {
		t.Run(tt.name, func(t *testing.T) {
			inherited, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			opt := options(load(t, "", "server.listen=['"+configured+"']"))
			opt.Listen, opt.WithoutListen, opt.Listeners = []string{listen}, tt.withoutListen, []net.Listener{inherited}
			a, err := New(t.Context(), opt)
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			var got []string
			for _, addr := range a.Addrs() {
				got = append(got, addr.String())
			}
			want := inherited.Addr().String() + " " + configured + " " + listen
			if tt.withoutListen {
				want = inherited.Addr().String() + " " + listen
			}
			if strings.Join(got, " ") != want {
				t.Errorf("got %q, want %s", got, want)
			}
		})
	}
}

// TestRun_ListenerErrorIsReturned closes a listener under a running daemon.
func TestRun_ListenerErrorIsReturned(t *testing.T) {
	testutil.IsolateHome(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	opt := options(load(t, ""))
	opt.Listen, opt.Listeners = nil, []net.Listener{l}
	a, err := New(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- a.Run(t.Context()) }()
	if code, _ := fetch(t, api.URL(l.Addr().String())+"status"); code != http.StatusOK {
		t.Errorf("/status: %d", code)
	}
	_ = l.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) || !strings.HasPrefix(err.Error(), "serving on "+l.Addr().String()+": ") {
		t.Errorf("error %v", err)
	}
}

// TestRun_ServesWhatWasAskedBeforeTheEnd stops the daemon during a request that waits for STS.
func TestRun_ServesWhatWasAskedBeforeTheEnd(t *testing.T) {
	sts := startSTS(t)
	sts.AddRole(roleARN)
	sts.Hang()
	testutil.Write(t, config.DefaultFile, realConfig)
	d := start(t)
	testutil.Eventually(t, "STS is called", func() bool { return sts.Calls("AssumeRole") > 0 })
	code := make(chan int, 1)
	go func() {
		resp, err := http.Get(d.url + rolePath)
		if err != nil {
			code <- 0
			return
		}
		_ = resp.Body.Close()
		code <- resp.StatusCode
	}()
	testutil.Eventually(t, "the request waits", func() bool { return goroutines("credentials.(*Keeper).Get") == 1 })
	if err := d.stop(); err != nil {
		t.Error(err)
	}
	if got := <-code; got != http.StatusServiceUnavailable {
		t.Errorf("the request got %d", got)
	}
}
