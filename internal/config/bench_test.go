package config

import (
	"testing"

	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/bench"
)

func BenchmarkReload(b *testing.B) {
	for _, s := range bench.Scales() {
		b.Run(s.Name, func(b *testing.B) {
			loaded, err := Load(Sources{File: testutil.WriteTemp(b, "config.yaml", s.Config)})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := loaded.Reload(); err != nil && !loaded.Empty {
					b.Fatal(err)
				}
			}
		})
	}
}
