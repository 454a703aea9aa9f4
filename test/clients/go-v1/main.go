// Prints as JSON what the AWS SDK for Go v1 reads from the metadata service. The SDK finds the service by itself.
//
// With the argument "watch" it asks for the instance id at each line of its input and prints it, with one client and so with one
// session token. It ends with the first error.
//
// It is a module of its own: the SDK has reached its end of life, but much software still contains it.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-sdk-go/aws/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go/aws/ec2metadata"
	"github.com/aws/aws-sdk-go/aws/session"
)

func main() {
	err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) > 1 && os.Args[1] == "watch" {
		return watch()
	}
	seen, err := ask()
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(seen)
}

func watch() error {
	s, err := session.NewSession()
	if err != nil {
		return err
	}
	client := ec2metadata.New(s)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		id, err := client.GetMetadata("instance-id")
		if err != nil {
			return err
		}
		fmt.Println(id)
	}
	return nil
}

func ask() (map[string]any, error) {
	s, err := session.NewSession()
	if err != nil {
		return nil, err
	}
	client := ec2metadata.New(s)
	if !client.Available() {
		return nil, errors.New("the metadata service is not available")
	}

	region, err := client.Region()
	if err != nil {
		return nil, err
	}
	document, err := client.GetInstanceIdentityDocument()
	if err != nil {
		return nil, err
	}
	info, err := client.IAMInfo()
	if err != nil {
		return nil, err
	}
	credentials, err := s.Config.Credentials.Get()
	if err != nil {
		return nil, err
	}
	if credentials.ProviderName != ec2rolecreds.ProviderName {
		return nil, fmt.Errorf("credentials are from %s", credentials.ProviderName)
	}
	userData, err := client.GetUserData()
	if err != nil {
		return nil, err
	}
	monitoring, err := client.GetDynamicData("fws/instance-monitoring")
	if err != nil {
		return nil, err
	}
	listing, err := client.GetMetadata("")
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"region":      region,
		"instanceId":  document.InstanceID,
		"privateIp":   document.PrivateIP,
		"pendingTime": document.PendingTime.Format(time.RFC3339),
		"products":    document.MarketplaceProductCodes,
		"profile":     info.InstanceProfileArn,
		"credentials": []string{credentials.AccessKeyID, credentials.SecretAccessKey, credentials.SessionToken},
		"userData":    userData,
		"monitoring":  monitoring,
		"listing":     listing,
	}, nil
}
