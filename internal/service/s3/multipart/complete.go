package multipart

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/s3/body"
	"github.com/skylift/skylift/internal/service/s3/objects"
	"github.com/skylift/skylift/internal/service/s3/record"
	"github.com/skylift/skylift/internal/service/s3/scope"
	"github.com/skylift/skylift/internal/store"
)

func lower(s string) string { return strings.ToLower(s) }

// smallest is how many bytes a part that isn't the last must have
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html).
const smallest = 5 << 20

// listed returns the numbers of the parts that a request lists.
func listed(in *s3.CompleteMultipartUploadInput) ([]int, error) {
	if in.MultipartUpload == nil || len(in.MultipartUpload.Parts) == 0 {
		return nil, record.Fault("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
	}
	var numbers []int
	for _, p := range in.MultipartUpload.Parts {
		switch {
		case p.PartNumber == nil:
			return nil, record.Fault("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
		case *p.PartNumber < 1 || *p.PartNumber > mostParts:
			return nil, record.Invalid("PartNumber", strconv.Itoa(int(*p.PartNumber)), "PartNumber must be >= 1")
		case len(numbers) > 0 && int(*p.PartNumber) <= numbers[len(numbers)-1]:
			return nil, record.Tell("InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number.", nil, "UploadId", *in.UploadId)
		}
		numbers = append(numbers, int(*p.PartNumber))
	}
	return numbers, nil
}

// chosen returns the parts of the upload that a request lists, held against what it says of them.
func chosen(tx store.Tx, in *s3.CompleteMultipartUploadInput) (list []record.Part, err error) {
	all := map[int]record.Part{}
	for p, err := range record.Parts.Peek(tx, *in.UploadId+"/") {
		if err != nil {
			return nil, fmt.Errorf("read the parts of the upload %s: %w", *in.UploadId, err)
		}
		all[p.Number] = *p
	}
	for i, want := range in.MultipartUpload.Parts {
		p, ok := all[int(*want.PartNumber)]
		etag := strings.Trim(text(want.ETag), `"`)
		if ok = ok && etag == p.ETag; ok {
			for name, sum := range record.SumsIn(&want) {
				ok = ok && (p.Sums[name] == "" || p.Sums[name] == sum)
			}
		}
		switch {
		case !ok:
			return nil, record.Tell("InvalidPart", "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
				nil, "UploadId", *in.UploadId, "PartNumber", strconv.Itoa(int(*want.PartNumber)), "ETag", etag)
		case p.Size < smallest && i < len(in.MultipartUpload.Parts)-1:
			return nil, record.Tell("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size", nil,
				"ProposedSize", fmt.Sprint(p.Size), "MinSizeAllowed", fmt.Sprint(smallest), "PartNumber", strconv.Itoa(p.Number), "ETag", p.ETag)
		}
		list = append(list, p)
	}
	return list, nil
}

// largest is how many bytes an object may have.
const largest = 5 << 40

// object makes an object of an upload's parts.
func object(in *s3.CompleteMultipartUploadInput, u *record.Upload, parts []record.Part, numbers []int, at time.Time) (o record.Object, err error) {
	o = record.Object{
		Bucket: u.Bucket, Key: u.Key, ID: record.NewVersion(at), Modified: at.Truncate(time.Second), Upload: u.ID, Parts: record.Numbers(numbers), Count: len(parts),
		Seal: u.Seal, Head: u.Head, Tags: u.Tags, SumType: u.SumType,
	}
	digest := md5.New()
	for _, p := range parts {
		o.Size += p.Size
		b, err := hex.DecodeString(p.ETag)
		if err != nil {
			return o, fmt.Errorf("read the ETag of part %d: %w", p.Number, err)
		}
		digest.Write(b)
	}
	o.ETag = hex.EncodeToString(digest.Sum(nil)) + "-" + strconv.Itoa(len(parts))
	name := algorithm(u)
	if o.SumType == "" {
		o.SumType = types.ChecksumTypeFullObject
	}
	said := record.SumsIn(in)
	switch {
	case o.Size > largest:
		return o, body.TooLarge()
	case in.MpuObjectSize != nil && *in.MpuObjectSize != o.Size:
		return o, record.Fault("InvalidRequest", "The provided 'x-amz-mp-object-size' header value %d does not match what was computed: %d", *in.MpuObjectSize, o.Size)
	case in.ChecksumType != "" && in.ChecksumType != o.SumType:
		return o, record.Fault("InvalidRequest", "The upload was created using the %s checksum mode. The complete request must use the same checksum mode.", o.SumType)
	}
	sum, ok := body.Together(name, o.SumType, parts)
	if !ok {
		return o, fmt.Errorf("parts of the upload %s lack the checksum %s", u.ID, name)
	}
	if o.SumType == types.ChecksumTypeComposite {
		sum += "-" + strconv.Itoa(len(parts))
	}
	o.Sums = record.Sums{name: sum}
	for kind, want := range said {
		if kind != name || want != sum && want+"-"+strconv.Itoa(len(parts)) != sum {
			return o, record.Fault("BadDigest", "The %s you specified did not match the calculated checksum.", kind)
		}
	}
	return o, nil
}

// done returns the object that an upload was completed to, for a request that comes again.
func done(tx store.Tx, id string) (o record.Object, ok bool, err error) {
	for _, t := range []*store.Table[record.Object]{record.Current, record.Older} {
		list, err := t.By(tx, "upload", id)
		if err != nil || len(list) > 0 {
			return append(list, o)[0], err == nil, err
		}
	}
	return o, false, nil
}

// CompleteMultipartUpload makes an object of the parts that a request lists. Asked again, it answers the same.
func (a API) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput) (*s3.CompleteMultipartUploadOutput, error) {
	numbers, err := listed(in)
	if err != nil {
		return nil, err
	}
	when := scope.Conditions{Match: in.IfMatch, NoneMatch: in.IfNoneMatch}
	if err := when.WriteFault(); err != nil {
		return nil, err
	}
	at := time.Now().UTC()
	var gone []record.Object
	var bucket record.Bucket
	o, err := handler.Update(ctx, a.DB, func(tx store.Tx) (o record.Object, err error) {
		gone = nil
		if bucket, err = a.Bucket(tx, in.Bucket, in.ExpectedBucketOwner); err != nil {
			return o, err
		}
		o, ok, err := done(tx, *in.UploadId)
		if err != nil || ok && o.Bucket == *in.Bucket && o.Key == *in.Key {
			return o, err
		}
		u, err := a.find(tx, in.Bucket, nil, in.Key, in.UploadId)
		if err != nil {
			return o, err
		}
		parts, err := chosen(tx, in)
		if err != nil {
			return o, err
		}
		if err := when.Write(tx, u.Bucket, u.Key); err != nil {
			return o, err
		}
		if o, err = object(in, &u, parts, numbers, at); err != nil {
			return o, err
		}
		if gone, err = record.Put(tx, &bucket, &o); err != nil {
			return o, err
		}
		return o, record.Uploads.Delete(tx, record.UploadRow(u.Bucket, u.Key, u.ID))
	})
	if err != nil {
		return nil, err
	}
	a.Discard(ctx, gone)
	_ = a.DropUnlisted(ctx, *in.UploadId, o.Parts) // what stays is garbage that others collect
	out := &s3.CompleteMultipartUploadOutput{
		Bucket: &o.Bucket, Key: &o.Key, ETag: new(o.Quoted()), Location: new(a.Endpoint + "/" + o.Bucket + "/" + url.PathEscape(o.Key)), VersionId: scope.Shown(&bucket, &o),
		ServerSideEncryption: o.Seal.Algorithm, ChecksumType: o.SumType,
	}
	out.SSEKMSKeyId, out.BucketKeyEnabled = objects.Sealed(o.Seal)
	o.Sums.Into(out)
	return out, nil
}

// AbortMultipartUpload gives an upload up.
func (a API) AbortMultipartUpload(ctx context.Context, in *s3.AbortMultipartUploadInput) (*s3.AbortMultipartUploadOutput, error) {
	out, err := handler.Update(ctx, a.DB, func(tx store.Tx) (*s3.AbortMultipartUploadOutput, error) {
		u, err := a.find(tx, in.Bucket, in.ExpectedBucketOwner, in.Key, in.UploadId)
		if err != nil {
			return nil, err
		}
		return &s3.AbortMultipartUploadOutput{}, record.Uploads.Delete(tx, record.UploadRow(u.Bucket, u.Key, u.ID))
	})
	if err == nil {
		_ = a.DropParts(ctx, *in.UploadId) // what stays is garbage that others collect
	}
	return out, err
}

// ListParts lists the parts of an upload that goes on.
func (a API) ListParts(ctx context.Context, in *s3.ListPartsInput) (*s3.ListPartsOutput, error) {
	most, after := int32(1000), 0
	if in.MaxParts != nil {
		most = min(max(*in.MaxParts, 0), most)
	}
	if in.PartNumberMarker != nil {
		var err error
		if after, err = strconv.Atoi(*in.PartNumberMarker); err != nil || after < 0 {
			return nil, record.Invalid("part-number-marker", *in.PartNumberMarker, "Argument part-number-marker must be an integer between 0 and 2147483647")
		}
	}
	return handler.View(ctx, a.DB, func(tx store.Tx) (*s3.ListPartsOutput, error) {
		u, err := a.find(tx, in.Bucket, in.ExpectedBucketOwner, in.Key, in.UploadId)
		if err != nil {
			return nil, err
		}
		out := &s3.ListPartsOutput{
			Bucket: &u.Bucket, Key: &u.Key, UploadId: &u.ID, MaxParts: &most, PartNumberMarker: new(strconv.Itoa(after)), IsTruncated: new(false), Owner: a.Owner(),
			Initiator: &types.Initiator{ID: &u.Initiator, DisplayName: &u.InitiatorID}, StorageClass: types.StorageClass(u.Head.Class), ChecksumAlgorithm: types.ChecksumAlgorithm(u.Algorithm), ChecksumType: u.SumType,
		}
		if out.StorageClass == "" {
			out.StorageClass = types.StorageClassStandard
		}
		for p, err := range record.Parts.Scan(tx, u.ID+"/", record.PartRow(u.ID, after)) {
			if err != nil {
				return nil, err
			}
			if len(out.Parts) == int(most) {
				out.IsTruncated = new(true)
				break
			}
			one := types.Part{PartNumber: new(int32(p.Number)), Size: &p.Size, ETag: new(quoted(p.ETag)), LastModified: &p.At}
			if u.Algorithm != "" {
				p.Sums.Into(&one)
			}
			out.Parts, out.NextPartNumberMarker = append(out.Parts, one), new(strconv.Itoa(p.Number))
		}
		return out, nil
	})
}
