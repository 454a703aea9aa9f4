package app

import (
	"slices"
	"testing"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/testutil"
)

func TestListenAddress_IsTheFirst(t *testing.T) {
	testutil.IsolateHome(t)
	for _, tt := range []struct {
		name   string
		flags  []string
		loaded *config.Loaded
		want   string
	}{
		{name: "of the configuration", loaded: load(t, "", "server.listen=['127.0.0.1:1', '127.0.0.1:2']"), want: "127.0.0.1:1"},
		{name: "of the flags when the configuration is wrong", flags: []string{"127.0.0.1:3", "127.0.0.1:4"}, want: "127.0.0.1:3"},
		{name: "default", want: config.DefaultListen},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := ListenAddress(tt.flags, tt.loaded); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestPlaces_HaveTheDefaultUnlessAFlagNamesOne(t *testing.T) {
	const own = "127.0.0.1:1"
	for _, tt := range []struct {
		name   string
		flags  []string
		listen string
		want   []string
	}{
		{name: "of a file", listen: own, want: []string{own, config.DefaultListen}},
		{name: "of a flag", flags: []string{own}, listen: own, want: []string{own}},
		{name: "the default itself", listen: config.DefaultListen, want: []string{config.DefaultListen}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Places(tt.flags, tt.listen); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestMismatch_NamesBothDaemons(t *testing.T) {
	testutil.IsolateHome(t)
	const session = "arn:aws:sts::123456789012:assumed-role/mock-role/i-0123456789abcdef0"
	expiration := time.Now()
	serves := func(change func(*api.Status)) *api.Status {
		s := &api.Status{
			InstanceID: "i-0123456789abcdef0", Role: "mock-role", Config: api.Config{File: "embedded default"},
			Credentials: api.Credentials{Source: "mock", State: api.StateValid, ARN: session, Expiration: &expiration},
		}
		change(s)
		return s
	}
	const ours = ", but this configuration is of i-0123456789abcdef0 with role mock-role (embedded default)"
	for _, tt := range []struct {
		name   string
		status *api.Status
		want   string
	}{
		{name: "the same", status: serves(func(*api.Status) {})},
		{name: "no ARN, as for other machines", status: serves(func(s *api.Status) { s.Credentials.ARN = "" })},
		{
			name: "another instance", status: serves(func(s *api.Status) { s.InstanceID = "i-1" }),
			want: "the daemon at http://127.0.0.1:5000/ serves i-1 with role mock-role (embedded default) as " + session + ours + " as " + session,
		},
		{
			name: "another role", status: serves(func(s *api.Status) { s.Role, s.Credentials.ARN = "", "" }),
			want: "the daemon at http://127.0.0.1:5000/ serves i-0123456789abcdef0 without a role (embedded default)" + ours,
		},
		{
			name: "real credentials", status: serves(func(s *api.Status) { s.Credentials.Source, s.Credentials.ARN = "sts", "" }),
			want: "the daemon at http://127.0.0.1:5000/ serves i-0123456789abcdef0 with role mock-role (embedded default)" + ours,
		},
		{
			name: "another account", status: serves(func(s *api.Status) { s.Credentials.ARN = "arn:aws:sts::2:assumed-role/mock-role/s" }),
			want: "the daemon at http://127.0.0.1:5000/ serves i-0123456789abcdef0 with role mock-role (embedded default) as arn:aws:sts::2:assumed-role/mock-role/s" + ours + " as " + session,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Mismatch(load(t, ""), "0.0.0.0:5000", tt.status); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if got := Mismatch(nil, "0.0.0.0:5000", tt.status); got != "" {
				t.Errorf("without a configuration: %s", got)
			}
		})
	}
}
