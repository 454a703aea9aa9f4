package fault

import (
	"math"
	"slices"
	"testing"

	"mock-ec2-metadata/internal/config"
)

// hits are the numbers of the requests, out of n in a row, that a rule of a dose hits.
func hits(t *testing.T, spec config.FaultDose, n int) []int {
	t.Helper()
	s := only(t, config.Fault{Dose: spec})
	var list []int
	for i := 1; i <= n; i++ {
		if r := s.Match(get("meta-data/mac"), noon); r != nil && r.hit() {
			list = append(list, i)
		}
	}
	if got := s.Find("f").Hits(); got != int64(len(list)) {
		t.Errorf("Hits says %d of %d", got, len(list))
	}
	return list
}

// TestDose_IsAsTold is statement 46 of the check-list.
func TestDose_IsAsTold(t *testing.T) {
	zero, two, hundred := 0, 2, 100
	for _, test := range []struct {
		name string
		dose config.FaultDose
		want []int // of 10 requests
	}{
		{"none", config.FaultDose{}, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
		{"skip", config.FaultDose{Skip: 7}, []int{8, 9, 10}},
		{"skip all", config.FaultDose{Skip: 10}, nil},
		{"every", config.FaultDose{Every: 3}, []int{3, 6, 9}},
		{"every one", config.FaultDose{Every: 1, Skip: 8}, []int{9, 10}},
		{"skip, every", config.FaultDose{Skip: 2, Every: 3}, []int{5, 8}},
		{"count", config.FaultDose{Count: &two}, []int{1, 2}},
		{"count 0", config.FaultDose{Count: &zero}, nil},
		{"skip, every, count", config.FaultDose{Skip: 1, Every: 2, Count: &two}, []int{3, 5}},
		{"percent 0", config.FaultDose{Percent: &zero}, nil},
		{"percent 100", config.FaultDose{Percent: &hundred, Skip: 8}, []int{9, 10}},
		{"percent 100, every", config.FaultDose{Percent: &hundred, Every: 4}, []int{4, 8}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := hits(t, test.dose, 10); !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// TestDose_PercentOfASeedRepeats is statement 45 of the check-list.
func TestDose_PercentOfASeedRepeats(t *testing.T) {
	thirty, seven, eight, negative := 30, 7, 8, -7
	dose := config.FaultDose{Percent: &thirty, Seed: &seven}
	first := hits(t, dose, 1000)
	if again := hits(t, dose, 1000); !slices.Equal(first, again) {
		t.Errorf("got %v, then %v", first, again)
	}
	for _, seed := range []*int{&eight, &negative, nil} {
		dose.Seed = seed
		if other := hits(t, dose, 1000); slices.Equal(first, other) {
			t.Errorf("another seed gives the same hits")
		}
	}
	if a, b := hits(t, config.FaultDose{Percent: &thirty}, 1000), hits(t, config.FaultDose{Percent: &thirty}, 1000); slices.Equal(a, b) {
		t.Error("two random seeds give the same hits")
	}
}

func TestDose_PercentExtremes(t *testing.T) {
	zero, hundred := 0, 100
	if got := hits(t, config.FaultDose{Percent: &zero}, 10_000); len(got) != 0 {
		t.Errorf("0 %%: %d of 10000", len(got))
	}
	if got := hits(t, config.FaultDose{Percent: &hundred}, 10_000); len(got) != 10_000 {
		t.Errorf("100 %%: %d of 10000", len(got))
	}
}

// TestDose_PercentIsFair allows five standard deviations for shares, for what follows a hit, and for seeds beside each other.
func TestDose_PercentIsFair(t *testing.T) {
	const n = 20_000
	near := func(t *testing.T, what string, got, of int, p float64) {
		t.Helper()
		if d := math.Abs(float64(got) - float64(of)*p); d > 5*math.Sqrt(float64(of)*p*(1-p)) {
			t.Errorf("%s: %d of %d, want about %.0f", what, got, of, float64(of)*p)
		}
	}
	for _, percent := range []int{1, 10, 20, 50, 80, 99} {
		p := float64(percent) / 100
		for seed := range 20 {
			d := newDose(config.FaultDose{Percent: &percent, Seed: &seed})
			hit, pairs, before := 0, 0, false
			for i := range int64(n) {
				now := d.includes(i + 1)
				if now {
					hit++
				}
				if now && before {
					pairs++
				}
				before = now
			}
			near(t, "all", hit, n, p)
			near(t, "after a hit", pairs, hit, p)
		}
		first := 0
		for seed := range n {
			if d := newDose(config.FaultDose{Percent: &percent, Seed: &seed}); d.includes(1) {
				first++
			}
		}
		near(t, "the first request of many seeds", first, n, p)
	}
}

func TestDose_PercentIsOfWhatSkipAndEveryLeave(t *testing.T) {
	percent, seed := 50, 1
	plain := newDose(config.FaultDose{Percent: &percent, Seed: &seed})
	both := newDose(config.FaultDose{Percent: &percent, Seed: &seed, Skip: 10, Every: 5})
	hit := 0
	for n := int64(1); n <= 2000; n++ {
		want := n > 10 && (n-10)%5 == 0 && plain.includes(n-10)
		if got := both.includes(n); got != want {
			t.Fatalf("request %d: %t", n, got)
		} else if got {
			hit++
		}
	}
	if hit < 150 || hit > 250 {
		t.Errorf("%d of 398", hit)
	}
}
