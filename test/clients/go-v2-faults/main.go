// Fetches the role's credentials again and again by the AWS SDK for Go v2, and prints as JSON how each try ended. The SDK finds the
// service by itself.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
)

// try is how one fetch ended.
type try struct {
	Result  string  `json:"result"` // ok or error
	Error   string  `json:"error"`
	Seconds float64 `json:"seconds"` // that it took
	Key     string  `json:"key"`     // the access key ID
	Left    float64 `json:"left"`    // minutes until the SDK takes the credentials for expired
}

func main() {
	tries := flag.Int("tries", 2, "how often to fetch")
	pause := flag.Duration("pause", 0, "how long to wait between tries")
	deadline := flag.Duration("deadline", 0, "deadline of each try; 0 for none of the caller's")
	cached := flag.Bool("cached", false, "fetch by the cache that clients of services have")
	flag.Parse()

	ctx := context.Background()
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// No retries of the credentials as a whole: those of the metadata client alone, as by default.
	var provider aws.CredentialsProvider = ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = imds.NewFromConfig(cfg) })
	if *cached {
		provider = aws.NewCredentialsCache(provider)
	}
	all := []try{}
	for i := range *tries {
		if i > 0 {
			time.Sleep(*pause)
		}
		all = append(all, fetch(ctx, provider, *deadline))
	}
	if err := json.NewEncoder(os.Stdout).Encode(all); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func fetch(ctx context.Context, provider aws.CredentialsProvider, deadline time.Duration) try {
	if deadline > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, deadline)
		defer cancel()
	}
	start := time.Now()
	c, err := provider.Retrieve(ctx)
	t := try{Result: "ok", Seconds: time.Since(start).Seconds()}
	if err != nil {
		t.Result, t.Error = "error", err.Error()
		return t
	}
	t.Key = c.AccessKeyID
	if c.CanExpire {
		t.Left = time.Until(c.Expires).Minutes()
	}
	return t
}
