package main

import (
	"log/slog"
	"testing"
	"time"

	"mock-ec2-metadata/internal/credentials"
)

// TestEncodedOnce checks that a document is made once a renewal, not once a request.
func TestEncodedOnce(t *testing.T) {
	provider := &credentials.Mock{ARN: "arn:aws:sts::123456789012:assumed-role/r/s", Lifetime: time.Hour, Now: time.Now}
	keeper := credentials.NewKeeper(provider, time.Minute, slog.New(slog.DiscardHandler), time.Now)
	go keeper.Run(t.Context())
	source := newCredentialSource(keeper, "")
	first, err := source.Credentials(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if second, err := source.Credentials(t.Context()); second != first || err != nil {
		t.Errorf("encoded again: %p, %p, %v", first, second, err)
	}
}
