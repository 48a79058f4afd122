/** A lane's way to the main thread, whose hellos a test can look at. */

import type { ControlSink, WrongPortDatagram } from "../../src/dataplane/inbound.ts";
import { type Mail, Mailbox } from "../../src/forwarding/mailbox.ts";

export class FakeControl implements ControlSink {
  readonly mailbox = new Mailbox();
  readonly wrongPorts: WrongPortDatagram[] = [];
  readonly wrongInterfaces: number[] = [];
  /** How often the main thread was told of mail. */
  told = 0;

  readonly onMail = (): void => void this.told++;
  readonly onWrongPort = (datagram: WrongPortDatagram): void => void this.wrongPorts.push(datagram);

  readonly onWrongInterface = (peer: number): void => void this.wrongInterfaces.push(peer);

  /** Takes what is in the mailbox. */
  mails(): readonly Mail[] {
    const mails: Mail[] = [];
    this.mailbox.take(Infinity, (mail) => mails.push(mail));
    return mails;
  }
}
