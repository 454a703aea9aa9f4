// Prints as JSON what the AWS SDK for Go v2 reads from the metadata service. The SDK finds the service by itself.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
)

func main() {
	seen, err := ask(context.Background())
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(seen)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func ask(ctx context.Context) (map[string]any, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	client := imds.NewFromConfig(cfg)

	region, err := client.GetRegion(ctx, nil)
	if err != nil {
		return nil, err
	}
	document, err := client.GetInstanceIdentityDocument(ctx, nil)
	if err != nil {
		return nil, err
	}
	info, err := client.GetIAMInfo(ctx, nil)
	if err != nil {
		return nil, err
	}
	credentials, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, err
	}
	if credentials.Source != ec2rolecreds.ProviderName {
		return nil, fmt.Errorf("credentials are from %s", credentials.Source)
	}
	userData, err := client.GetUserData(ctx, nil)
	if err != nil {
		return nil, err
	}
	monitoring, err := client.GetDynamicData(ctx, &imds.GetDynamicDataInput{Path: "fws/instance-monitoring"})
	if err != nil {
		return nil, err
	}
	listing, err := client.GetMetadata(ctx, nil)
	if err != nil {
		return nil, err
	}
	seen := map[string]any{
		"region":      region.Region,
		"instanceId":  document.InstanceID,
		"privateIp":   document.PrivateIP,
		"pendingTime": document.PendingTime.Format(time.RFC3339),
		"products":    document.MarketplaceProductCodes,
		"profile":     info.InstanceProfileArn,
		"credentials": []string{credentials.AccessKeyID, credentials.SecretAccessKey, credentials.SessionToken},
	}
	for name, content := range map[string]io.ReadCloser{"userData": userData.Content, "monitoring": monitoring.Content, "listing": listing.Content} {
		text, err := io.ReadAll(content)
		if err != nil {
			return nil, err
		}
		seen[name] = string(text)
	}
	return seen, nil
}
