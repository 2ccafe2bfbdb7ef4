"""The file that opens the viewer in a browser."""

import stat

from latentlab.reporting.viewer_opening import opening_page


def test_the_page_leads_on_and_only_its_user_can_read_it():
    address = 'http://127.0.0.1:8000/?token=a"b'
    with opening_page(address) as page:
        assert "url=http://127.0.0.1:8000/?token=a&quot;b" in page.read_text()
        assert stat.S_IMODE(page.parent.stat().st_mode) == 0o700
    assert not page.parent.exists()
