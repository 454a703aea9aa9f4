package route

import (
	"net/netip"
	"testing"
)

func TestHowTo_FitsTheSystem(t *testing.T) {
	for _, tt := range []struct{ goos, want string }{
		{"linux", "sudo mock-ec2-metadata serve --link-local"},
		{"darwin", "sudo mock-ec2-metadata route add"},
		{"windows", "mock-ec2-metadata route add"},
	} {
		t.Run(tt.goos, func(t *testing.T) {
			if got := HowTo(tt.goos); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestURL_BracketsIPv6(t *testing.T) {
	for _, tt := range []struct{ address, want string }{
		{"169.254.169.254", "http://169.254.169.254/"},
		{"fd00:ec2::254", "http://[fd00:ec2::254]/"},
	} {
		t.Run(tt.address, func(t *testing.T) {
			if got := URL(netip.MustParseAddr(tt.address)).String(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
