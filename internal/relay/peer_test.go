//go:build linux

package relay

import "testing"

func TestMayConnect_RootAndTheSameUserOnly(t *testing.T) {
	for _, tt := range []struct {
		uid, own int
		want     bool
	}{{0, 65534, true}, {65534, 65534, true}, {1000, 65534, false}, {65534, 0, false}} {
		if got := mayConnect(tt.uid, tt.own); got != tt.want {
			t.Errorf("user %d at a Hub of user %d: %v", tt.uid, tt.own, got)
		}
	}
}
