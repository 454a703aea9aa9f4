// Prints an object of a bucket, read by minio-go with the credentials of the metadata service. minio-go finds the service at
// 169.254.169.254. Arguments: the store's host and port, region, bucket, object.
//
// It is a module of its own: minio-go is no dependency of the daemon.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

func main() {
	if err := read(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read(args []string) error {
	if len(args) != 4 {
		return errors.New("arguments: host and port, region, bucket, object")
	}
	client, err := minio.New(args[0], &minio.Options{Creds: credentials.NewIAM(""), Region: args[1], BucketLookup: minio.BucketLookupPath})
	if err != nil {
		return err
	}
	object, err := client.GetObject(context.Background(), args[2], args[3], minio.GetObjectOptions{})
	if err != nil {
		return err
	}
	_, err = io.Copy(os.Stdout, object)
	return err
}
