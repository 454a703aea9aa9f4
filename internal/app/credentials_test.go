package app

import (
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

func TestCredentials_AreEncodedOncePerRefresh(t *testing.T) {
	testutil.IsolateHome(t)
	u := newUnserved(t, options(load(t, "")))
	u.begin(t)
	source := u.State().Target.Credentials
	first, err := source.Credentials(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if second, err := source.Credentials(t.Context()); second != first || err != nil {
		t.Errorf("encoded again: %p, %p, %v", first, second, err)
	}
}

// TestSpecOf_SessionNameIsTheInstanceID checks the default, which is EC2's.
func TestSpecOf_SessionNameIsTheInstanceID(t *testing.T) {
	testutil.IsolateHome(t)
	for _, tt := range []struct{ set, want string }{
		{set: "log.level=info", want: "i-0123456789abcdef0"},
		{set: "credentials.session_name=own", want: "own"},
	} {
		t.Run(tt.set, func(t *testing.T) {
			if got := SpecOf(load(t, "", tt.set).Config).SessionName; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
