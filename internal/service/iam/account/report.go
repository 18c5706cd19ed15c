package account

import (
	"bytes"
	"context"
	"encoding/csv"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/iam/record"
	"github.com/skylift/skylift/internal/store"
)

// reportLife is how long a credential report is good
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html).
const reportLife = 4 * time.Hour

// columns are those of the credential report (the same page).
var columns = []string{
	"user", "arn", "user_creation_time", "password_enabled", "password_last_used", "password_last_changed", "password_next_rotation", "mfa_active",
	"access_key_1_active", "access_key_1_last_rotated", "access_key_1_last_used_date", "access_key_1_last_used_region", "access_key_1_last_used_service",
	"access_key_2_active", "access_key_2_last_rotated", "access_key_2_last_used_date", "access_key_2_last_used_region", "access_key_2_last_used_service",
	"cert_1_active", "cert_1_last_rotated", "cert_2_active", "cert_2_last_rotated",
}

const notThere = "N/A"

// GenerateCredentialReport makes the report, if there is none that is young.
func (a *Account) GenerateCredentialReport(ctx context.Context, _ *iam.GenerateCredentialReportInput) (*iam.GenerateCredentialReportOutput, error) {
	now := record.Now()
	state := types.ReportStateTypeComplete
	err := a.DB.Update(ctx, func(tx store.Tx) error {
		s, _, err := handler.Find(tx, record.Account, record.AccountKey)
		if err != nil || s.Report != nil && now.Sub(s.Reported) < reportLife {
			return err
		}
		if s.Report, err = a.report(tx, now); err != nil {
			return err
		}
		s.Reported = now
		state = types.ReportStateTypeStarted
		return record.Account.Put(tx, record.AccountKey, s)
	})
	if err != nil {
		return nil, err
	}
	out := &iam.GenerateCredentialReportOutput{State: state}
	if state == types.ReportStateTypeStarted {
		out.Description = new("No report exists. Starting a new report generation task")
	}
	return out, nil
}

func (a *Account) report(tx store.Tx, now time.Time) ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	rows := [][]string{columns, a.rootRow(now)}
	s, _, err := handler.Find(tx, record.Account, record.AccountKey)
	if err != nil {
		return nil, err
	}
	for u, err := range record.Users.Scan(tx, "", "") {
		if err != nil {
			return nil, err
		}
		row, err := a.row(tx, u, s.Passwords)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	err = w.WriteAll(rows)
	return b.Bytes(), err
}

func (a *Account) rootRow(now time.Time) []string {
	row := []string{"<root_account>", a.ARN("root"), told(now), "false", notThere, notThere, notThere, "false", "true"}
	for len(row) < len(columns) {
		row = append(row, notThere)
	}
	row[13], row[18], row[20] = "false", "false", "false"
	return row
}

func told(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05+00:00") }

func (a *Account) row(tx store.Tx, u record.User, rules *record.PasswordRules) ([]string, error) {
	row := []string{u.Name, record.AsUser.ARN(a.Kit, &u.Entity), told(u.Created)}
	if l := u.Login; l == nil {
		row = append(row, "false", notThere, notThere, notThere)
	} else {
		used, next := "no_information", notThere
		if !l.Used.IsZero() {
			used = told(l.Used)
		}
		if rules != nil && rules.MaxAge > 0 {
			next = told(l.Changed.AddDate(0, 0, int(rules.MaxAge)))
		}
		row = append(row, "true", used, told(l.Changed), next)
	}
	row = append(row, "false")
	keys, err := record.Keys.By(tx, "user", record.ID(u.Name))
	if err != nil {
		return nil, err
	}
	for i := range 2 {
		if i >= len(keys) {
			row = append(row, "false", notThere, notThere, notThere, notThere)
			continue
		}
		use, used, err := handler.Find(tx, record.Uses, keys[i].ID)
		if err != nil {
			return nil, err
		}
		row = append(row, strconv.FormatBool(keys[i].Active), told(keys[i].Created))
		if !used {
			row = append(row, notThere, notThere, notThere)
			continue
		}
		row = append(row, told(use.At), use.Region, use.Service)
	}
	return append(row, "false", notThere, "false", notThere), nil
}

// GetCredentialReport returns the report that was made last.
func (a *Account) GetCredentialReport(ctx context.Context, _ *iam.GetCredentialReportInput) (*iam.GetCredentialReportOutput, error) {
	s, err := a.settings(ctx)
	switch {
	case err != nil:
		return nil, err
	case s.Report == nil:
		return nil, &types.CredentialReportNotPresentException{Message: new("No report present. Call GenerateCredentialReport to start a new report generation task")}
	case time.Since(s.Reported) > reportLife:
		return nil, &types.CredentialReportExpiredException{Message: new("The credential report is expired. Call GenerateCredentialReport to start a new report generation task")}
	}
	return &iam.GetCredentialReportOutput{Content: s.Report, GeneratedTime: &s.Reported, ReportFormat: types.ReportFormatTypeTextCsv}, nil
}
