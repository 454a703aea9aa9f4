package relay

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/credentials"
)

func TestIssuer_AnotherRoleThanTheRulesGiveIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode("n1")
		l := newLaptop(t, n)
		l.start(t)
		want := fmt.Sprintf("the laptop's rules give pod \"shop/cart\" on node \"n1\" the role %q, not %q; "+
			"run mock-ec2-metadata-kube up again, so that the cluster has the same rules", roleA, roleB)
		for range 3 {
			_, err := n.get(t.Context(), "cart", roleB)
			expectError(t, err, false, want)
		}
		_, err := n.get(t.Context(), "cart", "") // the profile's own
		expectError(t, err, false, strings.ReplaceAll(want, roleB, ""))
		l.expectCalls(t, 0)
		told := []string{
			`pod "shop/cart" on node "n1" is refused role ` + roleB + `: ` + want,
			`pod "shop/cart" on node "n1" is refused the profile's own credentials: ` + strings.ReplaceAll(want, roleB, ""),
		}
		if got := l.told(EventRefused); !slices.Equal(got, told) {
			t.Errorf("told %q\nwant %q", got, told)
		}
	})
}

func TestIssuer_RefusalOfTheRulesReachesThePod(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want credentials.Error
	}{
		{"plain", errors.New("no rule for shop; add one"), credentials.Error{Code: credentials.CodeUnauthorized, Message: "no rule for shop; add one"}},
		{"with a code", &credentials.Error{Code: "C", AWSCode: "A", Message: "m", Temporary: true, Throttled: true}, credentials.Error{
			Code: "C", AWSCode: "A", Message: "m", Temporary: true, Throttled: true,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode("n1")
				l := newLaptop(t, n)
				l.decide = func(Wish) (credentials.Spec, error) { return credentials.Spec{}, tt.err }
				l.start(t)
				_, err := n.get(t.Context(), "cart", roleA)
				if e, ok := errors.AsType[*credentials.Error](err); !ok || *e != tt.want {
					t.Errorf("got %#v", err)
				}
				l.expectCalls(t, 0)
			})
		})
	}
}

// A stolen node cannot speak for another node.
func TestIssuer_NodeIsTheOneThatTheStreamGoesTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode("n1")
		l := newLaptop(t, n)
		var decided Wish
		l.decide = func(w Wish) (credentials.Spec, error) { decided = w; return specOf("n1", "cart", roleA), nil }
		l.start(t)
		spec := specOf("another-node", "cart", roleA)
		spec.SessionName, spec.Duration, spec.RefreshBefore = "mine", 2*time.Hour, 10*time.Minute
		spec.ExternalID, spec.Policy, spec.SessionTags = "id", "{}", map[string]string{"k": "v"}
		if _, err := n.hub.Provider(spec).Retrieve(t.Context()); err != nil {
			t.Fatal(err)
		}
		if decided.Subject.Node != "n1" || decided.Subject.Via != caller.ViaAddress || decided.Subject.Pod.Annotations["external-id"] != annotated ||
			decided.Role != roleA || decided.SessionName != "mine" || decided.Duration != 2*time.Hour || decided.RefreshBefore != 10*time.Minute {
			t.Errorf("decided by %v", decided)
		}
	})
}

func TestIssuer_TargetIsTheRoleThatIsCompared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode("n1")
		l := newLaptop(t, n)
		chained := specOf("n1", "cart", roleA)
		chained.Target.RoleARN = roleB
		l.decide = func(Wish) (credentials.Spec, error) { return chained, nil }
		l.start(t)
		if _, err := n.get(t.Context(), "cart", roleA); err == nil {
			t.Error("got the target's credentials as those of the first role")
		}
		if _, err := n.hub.Provider(chained).Retrieve(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestIssuer_LongLivedKeysStayOnTheLaptop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode("n1")
		l := newLaptop(t, n)
		l.opt.Issuer.Pool = credentials.NewPool(credentials.PoolOptions{Provide: func(credentials.Spec) credentials.Provider { return longLived{} }})
		l.opt.Issuer.Pool.Start(t.Context())
		defer l.opt.Issuer.Pool.Close()
		l.start(t)
		_, err := n.get(t.Context(), "cart", roleA)
		expectError(t, err, false, "the laptop has no session credentials for this role, and long-lived keys do not leave it; name a role")
	})
}

func TestIssuer_FailureTravelsWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode("n1")
		l := newLaptop(t, n)
		l.bank.set(&credentials.Error{Code: credentials.CodeUnauthorized, AWSCode: "AccessDenied", Message: "STS denies it"})
		l.start(t)
		_, err := n.get(t.Context(), "cart", roleA)
		want := credentials.Error{Code: credentials.CodeUnauthorized, AWSCode: "AccessDenied", Message: "on the laptop: STS denies it"}
		if e, ok := errors.AsType[*credentials.Error](err); !ok || *e != want {
			t.Errorf("got %#v", err)
		}
		_, _ = n.get(t.Context(), "cart", roleA)
		if got := l.told(EventFailed); len(got) != 1 {
			t.Errorf("told %q", got)
		}
		before := n.connected.Load()
		l.bank.set(nil)
		time.Sleep(time.Minute)
		if got := n.connected.Load() - before; got != 1 {
			t.Errorf("the node was asked to retry %d times, want 1", got)
		}
		expectCredentials(t, n, 58*time.Minute)
	})
}

func TestIssuer_CodeOfMFAOnTheLaptopReachesThePod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode("n1")
		l := newLaptop(t, n)
		l.bank.set(&credentials.NeedsMFA{Serial: "mfa", Reason: &credentials.Error{Code: credentials.CodeUnauthorized, Message: "waiting for MFA"}})
		l.start(t)
		pool := credentials.NewPool(credentials.PoolOptions{Provide: n.hub.Provider})
		n.hub.opt.Connected = pool.Retry
		pool.Start(t.Context())
		defer pool.Close()
		k := pool.Keeper(specOf("n1", "cart", roleA))
		_, err := k.Get(t.Context())
		expectError(t, err, true, "on the laptop: waiting for MFA")
		time.Sleep(10 * time.Minute)
		for _, waiting := range l.pool.Keepers() {
			if err := waiting.Answer(t.Context(), "123456"); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		if !k.State().Valid {
			t.Errorf("the node's keeper is not told: %+v", k.State())
		}
	})
}

func TestFeeder_RetryMakesNodesAskAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode("n1")
		l := newLaptop(t, n)
		l.start(t)
		l.Retry()
		synctest.Wait()
		if got := n.connected.Load(); got != 2 {
			t.Errorf("Connected was called %d times, want 2", got)
		}
	})
}

func TestFeeder_HangingCallsDoNotHoldUpPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode("n1")
		l := newLaptop(t, n)
		l.decide = func(w Wish) (credentials.Spec, error) { return specOf(w.Subject.Node, w.Subject.Pod.Name, w.Role), nil }
		l.bank.delay = time.Hour
		l.start(t)
		var wishes []<-chan answer
		for i := range 2 * mostIssues {
			wishes = append(wishes, asking(t, n, fmt.Sprint(i)))
		}
		for _, wish := range wishes {
			if a := <-wish; a.err == nil || !a.err.Temporary {
				t.Errorf("got %v", a.err)
			}
		}
		time.Sleep(5 * time.Minute)
		if got := l.dials.Load(); got != 1 {
			t.Errorf("%d dials, want 1", got)
		}
	})
}
