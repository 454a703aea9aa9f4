// Uses the credentials of the metadata service by a library of others than AWS. The first argument names the library, which finds
// the service at 169.254.169.254.
//
// It is a module of its own: the libraries are no dependencies of the daemon.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/auth/creds"
)

func main() {
	uses := map[string]func(ctx context.Context, args []string) error{"minio-go": readObject, "mongo-driver": printCredentials}
	if len(os.Args) < 2 || uses[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "the first argument is minio-go or mongo-driver")
		os.Exit(2)
	}
	if err := uses[os.Args[1]](context.Background(), os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// readObject prints an object of a store: host and port, region, bucket, key.
func readObject(ctx context.Context, args []string) error {
	client, err := minio.New(args[0], &minio.Options{Creds: credentials.NewIAM(""), Region: args[1], BucketLookup: minio.BucketLookupPath})
	if err != nil {
		return err
	}
	object, err := client.GetObject(ctx, args[2], args[3], minio.GetObjectOptions{})
	if err != nil {
		return err
	}
	_, err = io.Copy(os.Stdout, object)
	return err
}

// printCredentials prints key id and token as JSON: those that MONGODB-AWS signs with.
func printCredentials(ctx context.Context, _ []string) error {
	c, err := creds.NewAWSCredentials(http.DefaultClient).Get(ctx)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string][]string{"credentials": {c.AccessKeyID, c.SessionToken}})
}
