package portfolio

import (
	"time"

	"github.com/google/uuid"
)

// ChallengeOf makes a form token as it was given at that time.
func (p *Portfolio) ChallengeOf(at time.Time) string {
	return p.sign(challengePurpose, at, uuid.New())
}

// PreviewOf makes a preview token that expires at that time.
func (p *Portfolio) PreviewOf(project uuid.UUID, expires time.Time) string {
	return p.sign(previewPurpose, expires, project)
}

// Ignored reads a resume and returns the pointers of what is not taken.
func (p *Portfolio) Ignored(text []byte) []string { return p.readResume(text).left() }
