package route

import (
	"slices"
	"testing"
)

func TestServices_HaveTheirAddresses(t *testing.T) {
	for _, tt := range []struct {
		name     string
		services Services
		ipv6     bool
		want     string
	}{
		{name: "metadata alone", ipv6: true, want: "169.254.169.254 and fd00:ec2::254"},
		{name: "without IPv6", want: "169.254.169.254"},
		{name: "ECS", services: Services{ECS: true}, ipv6: true, want: "169.254.169.254, fd00:ec2::254 and 169.254.170.2"},
		{name: "ECS without IPv6", services: Services{ECS: true}, want: "169.254.169.254 and 169.254.170.2"},
		{
			name: "Pod Identity", services: Services{PodIdentity: true}, ipv6: true,
			want: "169.254.169.254, fd00:ec2::254, 169.254.170.23 and fd00:ec2::23",
		},
		{
			name: "all", services: Services{ECS: true, PodIdentity: true}, ipv6: true,
			want: "169.254.169.254, fd00:ec2::254, 169.254.170.2, 169.254.170.23 and fd00:ec2::23",
		},
		{
			name: "all without IPv6", services: Services{ECS: true, PodIdentity: true},
			want: "169.254.169.254, 169.254.170.2 and 169.254.170.23",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Names(tt.services.addresses(tt.ipv6)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestServices_NamesAreParsedBack(t *testing.T) {
	for _, tt := range []struct {
		services Services
		names    []string
	}{
		{services: Services{}},
		{services: Services{ECS: true}, names: []string{"ecs"}},
		{services: Services{PodIdentity: true}, names: []string{"pod-identity"}},
		{services: Services{ECS: true, PodIdentity: true}, names: []string{"ecs", "pod-identity"}},
	} {
		names := tt.services.Names()
		back, err := ParseServices(names)
		if !slices.Equal(names, tt.names) || back != tt.services || err != nil {
			t.Errorf("%+v: names %q, and back %+v, %v", tt.services, names, back, err)
		}
	}
}

func TestParseServices_RefusesOtherNames(t *testing.T) {
	_, err := ParseServices([]string{"ecs", "169.254.0.1"})
	if want := `"169.254.0.1": no such service; name ecs or pod-identity`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestNames_JoinsAnyNumber(t *testing.T) {
	if got := Names(nil); got != "" {
		t.Errorf("no address: %q", got)
	}
	if got := Names(known().addresses(true)[:1]); got != "169.254.169.254" {
		t.Errorf("one address: %q", got)
	}
}
