package scan

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/service/ecr/scan/inventory"
	"github.com/skylift/skylift/internal/service/ecr/scan/osv"
	"github.com/skylift/skylift/internal/store"
)

// between is how long after a scan of an image the next one may be asked for
// (https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_StartImageScan.html).
const between = 24 * time.Hour

// StartImageScan asks for a scan of an image.
func (a *API) StartImageScan(ctx context.Context, in *sdk.StartImageScanInput) (*sdk.StartImageScanOutput, error) {
	if err := a.records.Check(in.RegistryId, in.RepositoryName); err != nil {
		return nil, err
	}
	now := record.Now()
	scan, err := record.Update(ctx, a.records, func(tx store.Tx) (s record.Scan, err error) {
		img, err := a.image(tx, *in.RepositoryName, *in.ImageId)
		if err != nil {
			return s, err
		}
		if !img.Scannable() {
			return s, &types.UnsupportedImageTypeException{Message: new(fmt.Sprintf(
				"The image with digest '%s' in the repository with name '%s' cannot be scanned: it is of the type '%s'", img.Digest, img.Repo, cmp.Or(img.ArtifactType, img.MediaType)))}
		}
		last, ok, err := handler.Find(tx, record.ScanRows, img.Key())
		if err != nil {
			return s, err
		}
		if ok && !last.Lacking && now.Sub(last.AskedAt) < between {
			return s, &types.LimitExceededException{Message: new("The scan quota per image has been exceeded. Wait and try again.")}
		}
		s = record.Scan{RepoID: img.RepoID, Digest: img.Digest, Status: types.ScanStatusPending, AskedAt: now}
		return s, record.ScanRows.Put(tx, s.Key(), s)
	})
	if err != nil {
		return nil, err
	}
	return &sdk.StartImageScanOutput{
		ImageId: identified(*in.ImageId, scan), ImageScanStatus: status(scan), RegistryId: &a.records.NS.Account, RepositoryName: in.RepositoryName,
	}, nil
}

// image finds the image that an identifier means.
func (a *API) image(tx store.Tx, repository string, id types.ImageIdentifier) (record.Image, error) {
	repo, err := a.records.Get(tx, repository)
	if err != nil {
		return record.Image{}, err
	}
	img, failure, err := record.Identify(tx, repo, id)
	if err == nil && failure != nil {
		err = a.records.NotIdentified(repo, failure)
	}
	return img, err
}

// identified is what was asked for, with the image's digest.
func identified(id types.ImageIdentifier, s record.Scan) *types.ImageIdentifier {
	return &types.ImageIdentifier{ImageDigest: &s.Digest, ImageTag: id.ImageTag}
}

func status(s record.Scan) *types.ImageScanStatus {
	return &types.ImageScanStatus{Status: s.Status, Description: handler.Optional(s.Description)}
}

// DescribeImageScanFindings says what became of the last scan of an image, and what is wrong with its packages.
func (a *API) DescribeImageScanFindings(ctx context.Context, in *sdk.DescribeImageScanFindingsInput) (*sdk.DescribeImageScanFindingsOutput, error) {
	if err := a.records.Check(in.RegistryId, in.RepositoryName); err != nil {
		return nil, err
	}
	page, err := record.Pages.Open(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	var scan record.Scan
	packages, err := record.View(ctx, a.records, func(tx store.Tx) (p record.Packages, err error) {
		img, err := a.image(tx, *in.RepositoryName, *in.ImageId)
		if err != nil {
			return p, err
		}
		var ok bool
		if scan, ok, err = handler.Find(tx, record.ScanRows, img.Key()); err == nil && !ok {
			err = a.noScan(*in.RepositoryName, *in.ImageId)
		}
		if err == nil {
			p, _, err = handler.Find(tx, record.PackageRows, img.Key())
		}
		return p, err
	})
	if err != nil {
		return nil, err
	}
	out := &sdk.DescribeImageScanFindingsOutput{
		ImageId: identified(*in.ImageId, scan), ImageScanStatus: status(scan), RegistryId: &a.records.NS.Account, RepositoryName: in.RepositoryName,
	}
	if scan.Status != types.ScanStatusComplete {
		return out, nil
	}
	return out, a.findings(ctx, page, scan, packages, out)
}

func (a *API) noScan(repo string, id types.ImageIdentifier) error {
	return &types.ScanNotFoundException{Message: new(fmt.Sprintf(
		"Image scan does not exist for the image with '{imageDigest:'%s', imageTag:'%s'}' in the repository with name '%s' in the registry with id '%s'",
		cmp.Or(aws.ToString(id.ImageDigest), "null"), cmp.Or(aws.ToString(id.ImageTag), "null"), repo, a.records.NS.Account))}
}

// patience is how long a call waits for a database that is being read.
const patience = 20 * time.Second

// findings puts a page of them into an answer.
func (a *API) findings(ctx context.Context, page handler.Page, scan record.Scan, p record.Packages, out *sdk.DescribeImageScanFindingsOutput) error {
	wait, done := context.WithTimeout(ctx, patience)
	defer done()
	db, _, err := a.databases.Current(wait)
	if err != nil {
		out.ImageScanStatus = &types.ImageScanStatus{Status: types.ScanStatusFindingsUnavailable, Description: new(err.Error())}
		return ctx.Err()
	}
	list, err := inventory.Decode(p.List)
	if err != nil {
		return fmt.Errorf("read the packages of %s: %w", scan.Digest, err)
	}
	result := db.Find(list)
	part, next := handler.Cut(page, result.Findings, key)
	shown := []types.ImageScanFinding{}
	for _, f := range part {
		shown = append(shown, finding(f))
	}
	out.NextToken = next
	out.ImageScanFindings = &types.ImageScanFindings{
		Findings: shown, FindingSeverityCounts: result.Counts(), ImageScanCompletedAt: &scan.CompletedAt, VulnerabilitySourceUpdatedAt: &db.Updated,
	}
	return nil
}

// key is what findings are in the order of.
func key(f osv.Finding) string {
	return strconv.Itoa(f.Severity.Rank()+100) + " " + f.Name + " " + f.Package + " " + f.Version
}

// finding is one as the API shows it.
func finding(f osv.Finding) types.ImageScanFinding {
	out := types.ImageScanFinding{Name: &f.Name, Description: handler.Optional(f.Description), Uri: &f.URI, Severity: types.FindingSeverity(f.Severity)}
	say := func(name, value string) {
		if value != "" {
			out.Attributes = append(out.Attributes, types.Attribute{Key: &name, Value: new(value[:min(len(value), mostValue)])})
		}
	}
	say("package_version", f.Version)
	say("package_name", f.Package)
	say("patched_version", f.Fixed)
	if f.Vector != "" {
		cvss := "CVSS" + f.Standard()
		say(cvss+"_VECTOR", f.Vector)
		say(cvss+"_SCORE", strconv.FormatFloat(f.Score, 'f', 1, 64))
	}
	return out
}

// mostValue is how long an attribute's value may be
// (https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_Attribute.html).
const mostValue = 256
