package credentials

import (
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
		time.Sleep(30 * time.Minute) // it rests
		k.Renew()
		synctest.Wait()
		second, err := k.Get(t.Context())
		if err != nil || second.AccessKeyID == first.AccessKeyID || p.retrieved.Load() != 2 {
			t.Errorf("%v after %v, %d calls, %v", second, first, p.retrieved.Load(), err)
		}
	})
}
