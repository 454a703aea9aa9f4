package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/guard"
)

func TestHostNetworks(t *testing.T) {
	for _, tt := range []struct{ value, want string }{
		{"", "[] <nil>"},
		{"172.17.0.0/16,fd00:17::/64", "[172.17.0.0/16 fd00:17::/64] <nil>"},
		{"172.17.0.0/16, 10.0.0.0/8", `[] MOCK_EC2_METADATA_NETWORKS: " 10.0.0.0/8" is not a CIDR block; write e.g. 192.168.121.0/24,172.17.0.0/16`},
	} {
		networks, err := hostNetworks([]string{"MOCK_EC2_METADATA__LOG__LEVEL=info", networksVariable + "=" + tt.value})
		if got := fmt.Sprint(networks, err); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.value, got, tt.want)
		}
	}
}

func TestRulesOf(t *testing.T) {
	limits := config.Limits{Connections: 1, ConnectionsPerClient: 2, URLBytes: 3, HeaderBytes: 4, BodyBytes: 5}
	bare := guard.Rules{Connections: 1, ConnectionsPerClient: 2, MaxURL: 3, MaxHeader: 4, MaxBody: 5}
	with := func(change func(*guard.Rules)) *guard.Rules {
		r := bare
		change(&r)
		return &r
	}
	for _, tt := range []struct {
		name   string
		server config.Server
		want   *guard.Rules
	}{
		{"auto", config.Server{AllowClients: []string{"auto"}}, with(func(r *guard.Rules) { r.Auto = true })},
		{"nobody", config.Server{AllowClients: []string{}}, &bare},
		{
			"a list, IPv4 in any dress",
			config.Server{AllowClients: []string{"10.0.0.0/8", "::ffff:192.168.0.0/112", "fd00::/8", "::/0"}},
			with(func(r *guard.Rules) {
				for _, c := range []string{"10.0.0.0/8", "192.168.0.0/16", "fd00::/8", "::/0"} {
					r.Clients = append(r.Clients, netip.MustParsePrefix(c))
				}
			}),
		},
		{
			"in capitals",
			config.Server{AllowHosts: []string{"Metadata.Example"}, AllowOrigins: []string{"http://LocalHost:3000"}, AllowProxies: true},
			with(func(r *guard.Rules) {
				r.Hosts, r.Origins, r.Proxies = []string{"metadata.example"}, []string{"http://localhost:3000"}, true
			}),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.server.Limits = limits
			same := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
			if diff := cmp.Diff(tt.want, rulesOf(&config.Config{Server: tt.server}), same); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestStatusForClients fills every field in and looks at what is left for other machines.
func TestStatusForClients(t *testing.T) {
	var s status
	fill(reflect.ValueOf(&s).Elem(), "status")
	full, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"ARN", "LastError", "Serial", "Socket", "File", "Warnings", "IdentityError", "Refused"} {
		if !strings.Contains(string(full), "."+field) {
			t.Errorf("the whole status has no %s: %s", field, full)
		}
	}
	b, err := json.Marshal(s.forClients())
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"status":"status.Status","version":"status.Version","started_at":"0001-01-01T00:00:00Z","uptime_seconds":1,` +
		`"instance_id":"status.InstanceID","role":"status.Role","credentials":{"source":"status.Credentials.Source","state":"status.Credentials.State",` +
		`"expiration":"0001-01-01T00:00:00Z","note":"asked on its own machine (docker exec mock-ec2-metadata /mock-ec2-metadata healthcheck), the daemon tells more"}}`
	if diff := cmp.Diff(want, string(b)); diff != "" {
		t.Errorf("for clients (-want +got):\n%s", diff)
	}
}

// fill gives each text its path, and everything else something.
func fill(v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(path)
	case reflect.Int64:
		v.SetInt(1)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), path)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), path)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf(path), reflect.ValueOf(int64(1)))
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && v.Type() != reflect.TypeFor[time.Time]() {
				fill(v.Field(i), path+"."+f.Name)
			}
		}
	}
}

// TestNothingIsLeft sends what no client should, and counts goroutines when it is over.
func TestNothingIsLeft(t *testing.T) {
	isolate(t)
	d := start(t)
	if code, body := d.get(t, "latest/meta-data/instance-id"); code != 200 || body == "" {
		t.Fatalf("%d %s", code, body)
	}
	address := strings.TrimSuffix(strings.TrimPrefix(d.url, "http://"), "/")
	before := runtime.NumGoroutine()
	var conns []net.Conn
	for i, text := range []string{
		"", "GET", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: x\r\n", "GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 1<<20),
		"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nOrigin: http://evil.example\r\nContent-Length: 100\r\n\r\n",
		"PUT /latest/api/token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
	} {
		for range 10 {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, conn)
			if _, err := io.WriteString(conn, text); err != nil && len(text) < 1<<20 {
				t.Errorf("%d: %v", i, err)
			}
		}
	}
	if code, body := d.get(t, "latest/meta-data/instance-id"); code != 200 || body == "" {
		t.Errorf("meanwhile: %d %s", code, body)
	}
	for _, c := range conns {
		_ = c.Close()
	}
	eventually(t, fmt.Sprintf("%d goroutines again", before), func() bool { return runtime.NumGoroutine() <= before })
}
