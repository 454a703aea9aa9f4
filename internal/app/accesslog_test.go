package app

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
)

func TestAccessLog_HasHealthChecksOfThisMachineAtDebugAlone(t *testing.T) {
	for _, tt := range []struct {
		name, path, from, agent string
		level                   slog.Level
		want                    int
	}{
		{name: "health check", path: "/status", from: "127.0.0.1:1", agent: api.StatusAgent, want: 0},
		{name: "health check at debug", path: "/status", from: "127.0.0.1:1", agent: api.StatusAgent, level: slog.LevelDebug, want: 1},
		{name: "health check that fails", path: "/status/none", from: "[::1]:1", agent: api.StatusAgent, want: 1},
		{name: "another client", path: "/status", from: "127.0.0.1:1", agent: "curl/8", want: 1},
		{name: "another machine", path: "/status", from: "192.0.2.7:1", agent: api.StatusAgent, want: 1},
		{name: "another page", path: "/latest/meta-data/instance-id", from: "127.0.0.1:1", agent: api.StatusAgent, want: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testutil.IsolateHome(t)
			opt := options(load(t, "", "server.allow_clients=[192.0.2.0/24]", "log.level="+strings.ToLower(tt.level.String())))
			lines := new(testutil.Buffer)
			opt.AccessLog = lines
			u := newUnserved(t, opt)
			u.begin(t)
			u.askAs(tt.path, tt.from, tt.agent)
			if got := strings.Count(lines.String(), "msg=request"); got != tt.want {
				t.Errorf("the access log has %d lines, want %d: %s", got, tt.want, lines)
			}
		})
	}
}

// askAs sends a request with this User-Agent from an address.
func (u *unserved) askAs(path, from, agent string) {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host, r.RemoteAddr = "127.0.0.1:5000", from
	r.Header.Set("User-Agent", agent)
	u.http.ServeHTTP(httptest.NewRecorder(), r)
}
