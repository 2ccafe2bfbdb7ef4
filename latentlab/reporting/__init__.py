"""What people look at: report, viewer, figures, exports."""
