package credentials

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

func TestKeeper_RenewCallsOnceAndKeepsTheOldUntilThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Mock{ARN: "arn:x", Lifetime: time.Hour, Now: time.Now}
		pool := NewPool(PoolOptions{Provide: func(Spec) Provider { return p }})
		k := pool.Keeper(Spec{RoleARN: "arn:aws:iam::123456789012:role/r", RefreshBefore: 15 * time.Minute})
		k.Renew() // nothing to renew
		pool.Start(t.Context())
		defer pool.Close()
		first, err := k.Get(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Minute) // it rests, perhaps after a renewal at a random time
		before := p.retrieved.Load()
		k.Renew()
		synctest.Wait()
		second, err := k.Get(t.Context())
		if err != nil || second.AccessKeyID == first.AccessKeyID || p.retrieved.Load() != before+1 {
			t.Errorf("%v after %v, %d calls, %v", second, first, p.retrieved.Load(), err)
		}
	})
}

func TestKeeper_ManyRenewalsMakeOneCallASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Mock{ARN: "arn:x", Lifetime: time.Hour, Now: time.Now}
		k := NewKeeper(p, 15*time.Minute, slog.New(slog.DiscardHandler), time.Now)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go k.Run(ctx)
		if _, err := k.Get(t.Context()); err != nil {
			t.Fatal(err)
		}
		const seconds = 5
		for range seconds * 100 {
			k.Renew()
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		// The first of all, that of the first renewal, and one at the end of each second.
		if calls := p.retrieved.Load(); calls != 2+seconds {
			t.Errorf("%d calls, want %d", calls, 2+seconds)
		}
	})
}
