package app

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/guard"
	"mock-ec2-metadata/internal/testutil"
)

func TestHostNetworks_ReadsTheVariable(t *testing.T) {
	for _, tt := range []struct{ value, want string }{
		{"", "[] <nil>"},
		{"172.17.0.0/16,fd00:17::/64", "[172.17.0.0/16 fd00:17::/64] <nil>"},
		{"172.17.0.0/16, 10.0.0.0/8", `[] MOCK_EC2_METADATA_NETWORKS: " 10.0.0.0/8" is not a CIDR block; write e.g. 192.168.121.0/24,172.17.0.0/16`},
	} {
		t.Run(tt.value, func(t *testing.T) {
			networks, err := HostNetworks([]string{"MOCK_EC2_METADATA__LOG__LEVEL=info", NetworksVariable + "=" + tt.value})
			if got := fmt.Sprint(networks, err); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestRulesOf_AreTheGuardsForm(t *testing.T) {
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
		{"no other machine", config.Server{AllowClients: []string{}}, &bare},
		{
			"a list, IPv4 in both forms",
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
			if diff := cmp.Diff(tt.want, RulesOf(&config.Config{Server: tt.server}), same); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDescribeRules_NamesEachRule(t *testing.T) {
	testutil.IsolateHome(t)
	for _, tt := range []struct {
		name     string
		set      []string
		networks []string
		want     string
	}{
		{
			name: "defaults", networks: []string{"docker0 172.17.0.0/16", "virbr0 192.168.122.0/24"},
			want: `clients (server.allow_clients): this machine, and the networks of virtual interfaces (auto), now docker0 172.17.0.0/16, virbr0 192.168.122.0/24
Host names (server.allow_hosts): IP addresses, names without a dot, localhost, *.localhost, *.internal, *.local
web pages (server.allow_origins): none
proxies (server.allow_proxies): get no session tokens
limits (server.limits): 2048 connections, 512 of one client, URLs of 2048 bytes, headers of 16384, bodies of 4096`,
		},
		{
			name: "no virtual networks",
			want: `clients (server.allow_clients): this machine, and the networks of virtual interfaces (auto), now none`,
		},
		{
			name: "no other machine", set: []string{"server.allow_clients=[]"},
			want: `clients (server.allow_clients): this machine only`,
		},
		{
			name: "lists",
			set: []string{
				"server.allow_clients=[10.0.0.0/8, fd00::/8]", "server.allow_hosts=[metadata.example]",
				"server.allow_origins=['http://localhost:3000']", "server.allow_proxies=true",
			},
			want: `clients (server.allow_clients): this machine, and 10.0.0.0/8, fd00::/8
Host names (server.allow_hosts): IP addresses, names without a dot, localhost, *.localhost, *.internal, *.local, metadata.example
web pages (server.allow_origins): http://localhost:3000
proxies (server.allow_proxies): get session tokens`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.Join(DescribeRules(load(t, "", tt.set...).Config, tt.networks), "\n")
			if !strings.HasPrefix(got, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}
