package ecr

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// scanned puts into details of a repository's images what is known of their scans.
func scanned(tx store.Tx, repo record.Repository, details []types.ImageDetail) error {
	for i := range details {
		d := &details[i]
		s, ok, err := handler.Find(tx, record.ScanRows, record.ImageKey(repo.ID, *d.ImageDigest))
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		d.ImageScanStatus = &types.ImageScanStatus{Status: s.Status, Description: handler.Optional(s.Description)}
		if s.Status == types.ScanStatusComplete {
			d.ImageScanFindingsSummary = &types.ImageScanFindingsSummary{
				FindingSeverityCounts: s.Counts, ImageScanCompletedAt: &s.CompletedAt, VulnerabilitySourceUpdatedAt: &s.SourceAt,
			}
		}
	}
	return nil
}

// NotScanned lists what repositories, and the registry, want scanned where no image can be.
func NotScanned(tx store.Tx) (out []wire.Wish, err error) {
	registry, _, err := handler.Find(tx, record.RegistryRows, record.RegistryKey)
	if err != nil {
		return nil, err
	}
	for repo, err := range record.RepositoryRows.Peek(tx, "") {
		if err != nil {
			return nil, fmt.Errorf("list repositories: %w", err)
		}
		if wanted, _ := repo.ScansOnPush(registry); wanted {
			out = append(out, wire.Wish{What: "scanOnPush", Why: "images are scanned when skylift serve has --vulnerabilities PATH, a vulnerability database", Resource: repo.Name})
		}
	}
	return out, nil
}
