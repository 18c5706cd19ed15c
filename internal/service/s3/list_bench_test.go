package s3_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/skylift/skylift/internal/service/s3/listing"
	"github.com/skylift/skylift/internal/service/s3/record"
	"github.com/skylift/skylift/internal/service/s3/scope"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
)

// BenchmarkList lists what is at the end of a bucket with 100,000 objects: a page of 1000, and the prefixes of all.
func BenchmarkList(b *testing.B) {
	db, at := memstore.New(), time.Now()
	for n := range 100 {
		err := db.Update(b.Context(), func(tx store.Tx) error {
			for m := range 1000 {
				o := record.Object{Bucket: "tea", Key: fmt.Sprintf("%02d/%04d", n, m), ID: record.NewVersion(at), Modified: at, ETag: "e"}
				if err := record.Current.Put(tx, record.Row(o.Bucket, o.Key), o); err != nil {
					return err
				}
			}
			return record.Buckets.Put(tx, "tea", record.Bucket{Name: "tea"})
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	api := listing.API{Scope: &scope.Scope{DB: db}}
	for name, in := range map[string]*awss3.ListObjectsV2Input{
		"page":     {Bucket: aws.String("tea"), StartAfter: aws.String("98/")},
		"prefixes": {Bucket: aws.String("tea"), Delimiter: aws.String("/")},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				out, err := api.ListObjectsV2(b.Context(), in)
				if err != nil || len(out.Contents)+len(out.CommonPrefixes) < 100 {
					b.Fatal(out, err)
				}
			}
		})
	}
}
